import type { Logger } from 'pino';
import { z } from 'zod';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { IcePlan, type Viewer } from '../../protocol/ice.ts';
import { SIGNALING_FRAME_MAX_BYTES } from '../../protocol/limits.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { Hub } from '../agents/hub.ts';
import type { Audit } from '../audit.ts';
import { bearerOf, type Auth } from '../auth.ts';
import type { Metrics } from '../metrics.ts';
import { checkOrigin } from '../origin.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { isEnded } from '../sessions/states.ts';
import type { AccessRow, SessionRow } from '../store/tables.ts';
import { createWebSocketServer, type Door, type Upgrade } from '../upgrade.ts';
import type { Ending } from './ending.ts';
import type { Login } from './login.ts';
import { claimLogin, orderOf, SUBPROTOCOL } from './order.ts';
import type { Logins } from './logins.ts';
import type { Tunnels } from '../tunnels/tunnels.ts';

const TOKEN_SUBPROTOCOL = 'access.';

export interface SignalingDoorDeps {
  auth: Auth;
  sessions: Sessions;
  hub: Hub;
  logins: Logins;
  tunnels: Tunnels;
  audit: Audit;
  metrics: Metrics;
  origins: readonly string[];
  log: Logger;
}

/** Where clients join a session: `/s/SESSION/api/ws`, as neko's own clients know it. */
export function createSignalingDoor(deps: SignalingDoorDeps): Door {
  const server = createWebSocketServer({
    maxPayload: SIGNALING_FRAME_MAX_BYTES,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  return {
    pattern: /^\/s\/(?<sessionId>[a-z0-9][a-z0-9-]{0,63})\/api\/ws$/,
    open: async (upgrade, { sessionId = '' }) => {
      const viewer = viewerOf(upgrade);
      const login = await admit(deps, upgrade, sessionId).catch((error: unknown) => {
        deps.metrics.joins.inc({ outcome: toGatewayError(error).code });
        throw error;
      });
      void login.ended.then((ending) => recordEnd(deps, login, ending));
      try {
        login.attach(await upgrade.accept(server));
      } catch (error) {
        login.end({ by: 'client', code: 'CLIENT_LOST', message: 'the handshake was not finished' });
        throw error;
      }
      // The login lives on without this request.
      void join(deps, login, viewer);
    },
  };
}

/** What it asks of its media: `?ice=turn`, or several of IcePlan, with commas. @throws GatewayError BAD_REQUEST */
function viewerOf({ url, address }: Upgrade): Viewer {
  const wish = url.searchParams.get('ice');
  if (wish === null || wish === '') return { address };
  const plans = z.array(IcePlan).safeParse([...new Set(wish.split(','))]);
  if (!plans.success)
    throw new GatewayError('BAD_REQUEST', `?ice= takes ${IcePlan.options.join(', ')}, several with commas`);
  return { address, plans: plans.data };
}

/** Whether this client may join this session now; that is asked again, cheaply, once the client is counted. */
async function admit(deps: SignalingDoorDeps, upgrade: Upgrade, sessionId: string): Promise<Login> {
  const { address, requestId } = upgrade;
  const caller = { address, requestId };
  const verify = async (): Promise<AccessRow> => {
    const access = await deps.auth.authorizeAccess(tokenOf(upgrade), sessionId, caller);
    await getJoinable(deps, sessionId);
    return access;
  };
  let login: Login | undefined;
  try {
    checkOrigin(upgrade.request.headers, deps.origins);
    const access = await verify();
    login = deps.logins.reserve(access, claimLogin(offeredBy(upgrade), access.id), caller);
    // A revocation between the first look and the count would otherwise miss this client.
    await verify();
    return login;
  } catch (thrown) {
    const failure = toGatewayError(thrown);
    login?.fail(failure);
    const audited = failure.code === 'ORIGIN_REFUSED' || failure.code === 'LOGIN_LIMIT';
    throw audited ? deps.auth.refuse({ sessionId, ...caller }, failure) : thrown;
  }
}

/**
 * The session and its agent, if a client can join now.
 * @throws GatewayError SESSION_NOT_FOUND | SESSION_ENDED | SESSION_HIBERNATED | SESSION_NOT_RUNNING | AGENT_OFFLINE
 */
export async function getJoinable(
  { sessions, hub }: Pick<SignalingDoorDeps, 'sessions' | 'hub'>,
  sessionId: string,
): Promise<{ session: SessionRow; connection: AgentConnection }> {
  const session = await sessions.get(sessionId);
  if (isEnded(session) || session.state === 'stopping') {
    const why = session.reason_message === null ? '' : `: ${session.reason_message}`;
    throw new GatewayError('SESSION_ENDED', `session ${sessionId} is ${session.state}${why}`);
  }
  if (session.state === 'hibernating' || session.state === 'hibernated')
    throw new GatewayError('SESSION_HIBERNATED', `session ${sessionId} is ${session.state}; it can be woken`);
  const { connection } = hub.get(session.agent_id);
  if (session.state === 'paused')
    throw new GatewayError('SESSION_NOT_RUNNING', `session ${sessionId} is paused; it opens once it is resumed`);
  if (session.state !== 'running')
    throw new GatewayError('SESSION_NOT_RUNNING', `session ${sessionId} is ${session.state}; try again in a moment`);
  return { session, connection };
}

/** Never rejects: a failure ends the login. */
async function join(deps: SignalingDoorDeps, login: Login, viewer: Viewer): Promise<void> {
  const { session_id: sessionId, role, label, id } = login.access;
  try {
    const { connection } = await getJoinable(deps, sessionId);
    const { loginId, client } = login;
    const order = orderOf(login.access, { loginId, client });
    const request = { kind: 'signaling', sessionId, login: order, viewer } as const;
    login.join(await deps.tunnels.open(connection, request, login.signal));
  } catch (error) {
    login.fail(toGatewayError(error));
    return;
  }
  if (!login.wasJoined) return;
  deps.metrics.joins.inc({ outcome: 'ok' });
  deps.audit.record({
    actor: `access:${id}`,
    action: 'login.opened',
    target: `session:${sessionId}`,
    detail: { loginId: login.loginId, role, label, address: login.address },
    requestId: login.requestId,
  });
}

function recordEnd({ audit, metrics }: SignalingDoorDeps, login: Login, { by, code, message }: Ending): void {
  const { id, session_id: sessionId } = login.access;
  if (!login.wasJoined) metrics.joins.inc({ outcome: code });
  audit.record({
    actor: by === 'client' ? `access:${id}` : by,
    action: login.wasJoined ? 'login.closed' : 'login.failed',
    target: `session:${sessionId}`,
    ...(code !== 'CLIENT_LEFT' && code !== 'CLIENT_LOST' && { outcome: code }),
    detail: {
      loginId: login.loginId,
      by,
      code,
      message,
      seconds: Math.round((Date.now() - Date.parse(login.since)) / 1000),
    },
    requestId: login.requestId,
  });
}

/** From the subprotocols, the header or, for clients that can do nothing else, the query, which no log of ours shows. */
function tokenOf(upgrade: Upgrade): string {
  const { request, url } = upgrade;
  const offered = offeredBy(upgrade);
  const inProtocol = offered
    .find((protocol) => protocol.startsWith(TOKEN_SUBPROTOCOL))
    ?.slice(TOKEN_SUBPROTOCOL.length);
  if (inProtocol !== undefined && !offered.includes(SUBPROTOCOL))
    throw new GatewayError(
      'BAD_REQUEST',
      `offer the subprotocol ${SUBPROTOCOL} beside the token's, for that is never answered`,
    );
  const token = inProtocol ?? bearerOf(request.headers) ?? url.searchParams.get('token');
  if (!token)
    throw new GatewayError(
      'UNAUTHENTICATED',
      `joining needs an access token: as subprotocol ${TOKEN_SUBPROTOCOL}TOKEN, bearer or ?token=`,
    );
  return token;
}

/** The subprotocols. */
function offeredBy({ request }: Upgrade): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
}
