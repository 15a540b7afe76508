/** `RFB 003.008\n`. */
export const VERSION_BYTES = 12;

/** The versions that RFC 6143 knows: 3.3, 3.7, 3.8. */
export type Minor = 3 | 7 | 8;

export function encodeVersion(minor: Minor): Uint8Array {
  return new TextEncoder().encode(`RFB 003.00${minor}\n`);
}

/**
 * What is spoken with a peer that says this version. One that is newer than we know (4.1, 5.0, Apple's 3.889) is spoken to as
 * 3.8; all between (3.5, 3.6 of UltraVNC) as 3.3 (RFC 6143, 7.1.1). Undefined for what is no version at all.
 */
export function parseVersion(bytes: Uint8Array): Minor | undefined {
  const match = /^RFB (\d{3})\.(\d{3})\n$/.exec(String.fromCharCode(...bytes));
  if (!match) return undefined;
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major < 3) return undefined;
  if (major > 3 || minor >= 8) return 8;
  return minor === 7 ? 7 : 3;
}
