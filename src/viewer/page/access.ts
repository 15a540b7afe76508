const FRAGMENT = /^#(?:.*&)?access=([^&]+)/;

/** The access of the address bar, which loses it and so keeps it out of history and screenshots; else that of before a reload. */
export function takeAccess(session: string): string | undefined {
  const key = `nekogate.access.${session}`;
  const given = FRAGMENT.exec(location.hash)?.[1];
  if (given === undefined) return sessionStorage.getItem(key) ?? undefined;
  history.replaceState(null, '', `${location.pathname}${location.search}`);
  const access = decodeURIComponent(given);
  sessionStorage.setItem(key, access);
  return access;
}
