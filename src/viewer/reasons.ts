// Why a viewer is not live, in words for the person in front of it.
import { isFailureCode, listFailures } from '../errors.ts';

export interface Reason {
  /** A code of src/errors.ts, or one of the viewer's own: DISCONNECTED, LINK_LOST, SOCKET_REFUSED, MEDIA_UNREACHABLE, STREAM_STALLED, ENDED, UNSUPPORTED. */
  readonly code: string;
  /** One short sentence. */
  readonly title: string;
  /** What happened and what to do, where there is more to say. */
  readonly message: string;
  /** Whether the viewer tries again by itself. */
  readonly retryable: boolean;
}

const TEXTS: Readonly<Record<string, readonly [title: string, message: string]>> = {
  UNAUTHENTICATED: [
    'This link does not open the session',
    'It has no access or a wrong one. Ask for a new link to this session.',
  ],
  ACCESS_EXPIRED: ['This access has expired', 'Ask for a new link to this session.'],
  ACCESS_REVOKED: ['This access was revoked', 'Whoever shared this session has withdrawn the link.'],
  FORBIDDEN: ['This access does not allow it', 'Ask for a link with more rights.'],
  ORIGIN_REFUSED: ['This page may not show the session', 'The gateway does not accept viewers from this web address.'],
  KICKED: ['You were removed from this session', 'Somebody who manages it ended your connection.'],
  SESSION_NOT_FOUND: ['There is no such session', 'It may have been deleted. Check the link.'],
  SESSION_ENDED: ['This session has ended', 'Its desktop was stopped.'],
  SESSION_NOT_RUNNING: ['The session is not running yet', 'It opens here as soon as its desktop is up.'],
  SESSION_HIBERNATED: ['This session is hibernated', 'What is in its home is kept. Whoever manages it can wake it.'],
  SESSION_START_FAILED: ['The session could not start', 'Its desktop failed to come up.'],
  SESSION_LIMIT: ['The session is full', 'No more viewers fit in at the moment.'],
  AGENT_OFFLINE: ['The host is not reachable', 'The machine that runs this desktop lost its connection.'],
  STREAMER_LOST: ['The desktop lost its stream', 'It is being restarted.'],
  NEKO_UNREACHABLE: ['The desktop does not answer', 'Its streamer may be starting again.'],
  CLIENT_SILENT: ['The connection went silent', 'Nothing was heard from this browser for too long.'],
  CLIENT_SLOW: ['The connection is too slow', 'This browser could not keep up.'],
  TOO_MANY_MESSAGES: ['This browser sent too much at once', 'The gateway cut it off for a moment.'],
  MESSAGE_TOO_BIG: ['This browser sent something too large', 'The gateway closed the connection.'],
  BAD_FRAME: ['This browser was not understood', 'The page may be of another version than the gateway. Reload it.'],
  UNKNOWN_EVENT: ['This browser was not understood', 'The page may be of another version than the gateway. Reload it.'],
  SHUTTING_DOWN: ['The gateway is restarting', 'It is usually back within seconds.'],
  DISCONNECTED: ['Not connected', ''],
  LINK_LOST: ['The connection was lost', 'The gateway cannot be reached from here at the moment.'],
  SOCKET_REFUSED: [
    'The session does not open',
    'The gateway answers, but the connection for the desktop is refused, by it or by a proxy on the way.',
  ],
  ENDED: ['The connection was closed', 'The session closed it without saying why.'],
  MEDIA_UNREACHABLE: [
    'The picture does not get through',
    'WebRTC finds no way to the host. A firewall may be blocking UDP.',
  ],
  STREAM_STALLED: ['The picture stands still', 'The desktop sends no frames. It is asked for a new stream.'],
  LOGIN_RESUMED: ['This viewer was opened elsewhere', 'The same connection goes on in another place.'],
  UNSUPPORTED: ['This browser cannot show the session', 'It has no WebRTC, or it is turned off.'],
};

/** What a code means; `message` is what the gateway said, and better than our own words where there is one. */
export function explain(code: string, message = '', retryable = isRetryable(code)): Reason {
  const [title, ownMessage] = (Object.hasOwn(TEXTS, code) ? TEXTS[code] : undefined) ?? [
    'The session is not available',
    '',
  ];
  return { code, title, message: ownMessage === '' ? message : ownMessage, retryable };
}

/** Close codes after which the same connection may work again: going away, no code, lost, and a server's or proxy's trouble. */
const RETRYABLE_CLOSES = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014]);

/** Why a WebSocket closed. `said` is the last gateway/error or system/disconnect that came before. */
export function explainClose(
  close: { readonly code: number; readonly reason: string },
  said: { readonly code: string; readonly message: string } | undefined,
): Reason {
  if (isFailureCode(close.reason)) return explain(close.reason, said?.code === close.reason ? said.message : '');
  const failure = listFailures().find((known) => known.close === close.code);
  if (failure !== undefined) return explain(failure.code, close.reason);
  if (RETRYABLE_CLOSES.has(close.code) && said === undefined) return explain('LINK_LOST', '', true);
  return said === undefined ? explain('ENDED', close.reason, false) : explain(said.code, said.message);
}

function isRetryable(code: string): boolean {
  return listFailures().find((failure) => failure.code === code)?.retryable ?? false;
}
