// The page at /view/:session/vnc: a desktop by VNC alone, for networks and browsers without WebRTC. The access comes in the fragment.
import RFB from '@novnc/novnc';
import { explain, explainClose, type Reason } from '../reasons.ts';
import { readProblem } from '../messages.ts';
import { takeAccess } from './access.ts';

const JOIN_TIMEOUT_MS = 15_000;

interface Parts {
  status: HTMLElement;
  screen: HTMLElement;
  clipboard: HTMLElement;
  text: HTMLTextAreaElement;
  reconnect: HTMLElement;
}

function start(parts: Parts): void {
  const { reconnect, text } = parts;
  const session = decodeURIComponent(location.pathname.split('/').at(-2) ?? '');
  let rfb: RFB | undefined;
  let attempt = 0;
  const open = async (): Promise<void> => {
    const own = ++attempt;
    rfb?.disconnect();
    rfb = undefined;
    reconnect.hidden = true;
    tell(parts, session, 'Connecting');
    const access = takeAccess(session);
    const answer = access === undefined ? explain('UNAUTHENTICATED') : await askToJoin(session, access);
    // Another attempt may have begun meanwhile.
    if (own !== attempt) return;
    if (access === undefined || 'code' in answer)
      showReason(parts, session, 'code' in answer ? answer : explain('UNAUTHENTICATED'));
    else
      rfb = show(parts, session, { access, viewOnly: answer.role === 'viewer' }, (reason) => {
        if (own === attempt) showReason(parts, session, reason);
      });
  };
  reconnect.addEventListener('click', () => void open());
  // Another link to the same session, put into the address bar of this page.
  window.addEventListener('hashchange', () => void open());
  text.addEventListener('input', () => rfb?.clipboardPasteFrom(text.value));
  void open();
}

/** The role; or why not, for a browser doesn't tell why a WebSocket was refused. */
async function askToJoin(session: string, access: string): Promise<{ role: string } | Reason> {
  try {
    const response = await fetch(addressOf(`api/v1/sessions/${encodeURIComponent(session)}/join`), {
      headers: { authorization: `Bearer ${access}` },
      cache: 'no-store',
      signal: AbortSignal.timeout(JOIN_TIMEOUT_MS),
    });
    const document: unknown = await response.json();
    if (response.ok) return { role: roleOf(document) };
    const problem = readProblem(document);
    if (problem !== undefined) return explain(problem.code, problem.message);
  } catch {
    // No network, no gateway, or a proxy's own page: all of them are a lost link.
  }
  return explain('LINK_LOST', '', true);
}

/** The least, where the answer names none. */
function roleOf(document: unknown): string {
  if (typeof document !== 'object' || document === null || !('role' in document)) return 'viewer';
  return typeof document.role === 'string' ? document.role : 'viewer';
}

function show(
  parts: Parts,
  session: string,
  { access, viewOnly }: { access: string; viewOnly: boolean },
  onEnd: (reason: Reason) => void,
): RFB {
  const { screen, clipboard, text } = parts;
  const address = addressOf(`s/${encodeURIComponent(session)}/vnc`);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(address, ['binary', `access.${access}`]);
  const rfb = new RFB(screen, socket, { shared: true });
  rfb.viewOnly = viewOnly;
  rfb.scaleViewport = true;
  rfb.background = 'transparent';
  rfb.addEventListener('connect', () => {
    tell(parts, session, viewOnly ? 'Live by VNC, view only' : 'Live by VNC');
    clipboard.hidden = viewOnly;
    rfb.focus();
  });
  rfb.addEventListener('clipboard', ({ detail }) => (text.value = detail.text));
  socket.addEventListener('close', ({ code, reason }) => onEnd(explainClose({ code, reason }, undefined)));
  return rfb;
}

function showReason(parts: Parts, session: string, { title, message }: Reason): void {
  parts.clipboard.hidden = true;
  parts.reconnect.hidden = false;
  tell(parts, session, [title, message].filter((text) => text !== '').join('. '));
}

function tell({ status }: Parts, session: string, text: string): void {
  status.textContent = text;
  document.title = `${text} · ${session} · nekogate`;
}

/** Of this gateway, whose pages may lie below a path of a proxy's. */
function addressOf(path: string): URL {
  return new URL(`../../${path}`, location.href.replace(/[?#].*$/, ''));
}

const [status, screen, clipboard, reconnect] = ['status', 'screen', 'clipboard', 'reconnect'].map((id) =>
  document.getElementById(id),
);
const text = document.querySelector('textarea');
if (status && screen && clipboard && reconnect && text) start({ status, screen, clipboard, text, reconnect });
