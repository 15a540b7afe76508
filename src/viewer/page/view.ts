// The page at /view/:session. The access comes in the fragment, which browsers send to nobody.
import type { NekoViewer, ViewerState } from '../index.ts';
import { takeAccess } from './access.ts';

const TITLES: Record<ViewerState['name'], string> = {
  connecting: 'Connecting',
  live: 'Desktop',
  paused: 'Paused',
  reconnecting: 'Reconnecting',
  closed: 'Not connected',
};

function start(viewer: NekoViewer): void {
  const session = decodeURIComponent(location.pathname.split('/').findLast((part) => part !== '') ?? '');
  viewer.session = session;
  const ice = new URLSearchParams(location.search).get('ice');
  if (ice !== null) viewer.setAttribute('ice', ice);
  viewer.on('statechange', (state) => {
    document.title = `${TITLES[state.name]} · ${session} · nekogate`;
  });
  open(viewer, session);
  // Another link to the same session, put into the address bar of this page.
  window.addEventListener('hashchange', () => open(viewer, session));
}

function open(viewer: NekoViewer, session: string): void {
  const access = takeAccess(session);
  if (access === undefined) viewer.connect();
  else viewer.access = access;
}

await customElements.whenDefined('neko-viewer');
const viewer = document.querySelector('neko-viewer');
if (viewer !== null) start(viewer);
