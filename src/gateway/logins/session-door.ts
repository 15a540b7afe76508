import type { Counter } from 'prom-client';
import type { WebSocket } from 'ws';
import { toGatewayError } from '../../errors.ts';
import type { Audit } from '../audit.ts';
import type { AccessRow } from '../store/tables.ts';
import type { Tunnels } from '../tunnels/tunnels.ts';
import { createWebSocketServer, type Door } from '../upgrade.ts';
import { admit, getJoinable, type AdmissionDeps, type AdmissionOptions } from './admission.ts';
import type { Ending } from './ending.ts';
import type { Login } from './login.ts';
import type { Piping } from './pipe.ts';

export interface SessionDoorDeps extends AdmissionDeps {
  tunnels: Tunnels;
  audit: Audit;
}

/** What makes one kind of door into sessions. */
export interface SessionDoorKind extends Pick<AdmissionOptions, 'subprotocol' | 'claim'> {
  /** `token`, where nothing else is said. */
  tokenParameter?: AdmissionOptions['tokenParameter'];
  /** With a group `sessionId`. */
  pattern: RegExp;
  /** One frame of a client; a longer one closes it with 1009. */
  frameMaxBytes: number;
  /** What the audit calls it: `login.opened`, `vnc.opened`. */
  name: 'login' | 'vnc';
  /** Attempts by outcome. */
  joins: Counter<'outcome'>;
  /** How frames pass between a client and its agent. */
  pipingFor: (access: AccessRow) => Piping;
  describe?: Door['describe'];
}

/** Where clients join a session by WebSocket, each over a tunnel of its own. */
export function createSessionDoor(deps: SessionDoorDeps, kind: SessionDoorKind): Door {
  const { pattern, subprotocol, tokenParameter = 'token', joins, describe } = kind;
  const server = createWebSocketServer({
    maxPayload: kind.frameMaxBytes,
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : false),
  });
  return {
    pattern,
    ...(describe && { describe }),
    open: async (upgrade, { sessionId = '' }) => {
      const login = await admit(deps, upgrade, { ...kind, tokenParameter, sessionId }).catch((error: unknown) => {
        joins.inc({ outcome: toGatewayError(error).code });
        throw error;
      });
      void login.ended.then((ending) => recordEnd(deps.audit, kind, login, ending));
      try {
        login.attach(await upgrade.accept(server));
      } catch (error) {
        login.end({ by: 'client', code: 'CLIENT_LOST', message: 'the handshake was not finished' });
        throw error;
      }
      // The login lives on without this request.
      void joinAgent(deps, kind, login, (tunnel) => {
        login.join(tunnel, kind.pipingFor(login.access));
        deps.logins.greet(login);
      });
    },
  };
}

/** As whom a login is counted and audited. */
export type LoginKind = Pick<SessionDoorKind, 'name' | 'joins'>;

/** Asks the login's agent for its tunnel and hands that over, by `take`. Never rejects: a failure ends the login. */
export async function joinAgent(
  deps: Pick<SessionDoorDeps, 'sessions' | 'hub' | 'tunnels' | 'audit'>,
  { name, joins }: LoginKind,
  login: Login,
  take: (tunnel: WebSocket) => void,
): Promise<void> {
  const { session_id: sessionId, role, label, id } = login.access;
  try {
    const { connection } = await getJoinable(deps, sessionId);
    take(await deps.tunnels.open(connection, login.order, login.signal));
  } catch (error) {
    login.fail(toGatewayError(error));
    return;
  }
  if (!login.wasJoined) return;
  joins.inc({ outcome: 'ok' });
  deps.audit.record({
    actor: `access:${id}`,
    action: `${name}.opened`,
    target: `session:${sessionId}`,
    detail: { loginId: login.loginId, role, label, address: login.address },
    requestId: login.requestId,
  });
}

/** Counts and audits how a login ended. */
export function recordEnd(audit: Audit, { name, joins }: LoginKind, login: Login, { by, code, message }: Ending): void {
  const { id, session_id: sessionId } = login.access;
  if (!login.wasJoined) joins.inc({ outcome: code });
  audit.record({
    actor: by === 'client' ? `access:${id}` : by,
    action: login.wasJoined ? `${name}.closed` : `${name}.failed`,
    target: `session:${sessionId}`,
    ...(code !== 'CLIENT_LEFT' && code !== 'CLIENT_LOST' && { outcome: code }),
    detail: {
      loginId: login.loginId,
      by,
      code,
      message,
      seconds: Math.round((Date.now() - Date.parse(login.since)) / 1000),
      ...login.bytes,
    },
    requestId: login.requestId,
  });
}
