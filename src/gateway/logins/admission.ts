import { GatewayError, toGatewayError } from '../../errors.ts';
import type { AgentConnection } from '../agents/connection.ts';
import type { Hub } from '../agents/hub.ts';
import { bearerOf, type Auth } from '../auth.ts';
import { checkOrigin } from '../origin.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { isEnded } from '../sessions/states.ts';
import type { AccessRow, SessionRow } from '../store/tables.ts';
import type { Upgrade } from '../upgrade.ts';
import type { Coming, Login } from './login.ts';
import type { Logins } from './logins.ts';

const TOKEN_SUBPROTOCOL = 'access.';

export interface AdmissionDeps {
  auth: Auth;
  sessions: Sessions;
  hub: Hub;
  logins: Logins;
  origins: readonly string[];
}

export interface AdmissionOptions {
  sessionId: string;
  /** The one that is answered to who offers it. */
  subprotocol: string;
  /** Where the token may stand in the query. */
  tokenParameter: 'token' | 'access_token';
  claim: (offered: readonly string[], access: AccessRow, upgrade: Upgrade) => Coming;
}

/**
 * Whether this client may join this session now; that is asked again, cheaply, once the client is counted. What it throws is audited already.
 * @throws GatewayError
 */
export async function admit(deps: AdmissionDeps, upgrade: Upgrade, options: AdmissionOptions): Promise<Login> {
  const { address, requestId } = upgrade;
  const { sessionId, claim } = options;
  const caller = { address, requestId };
  const verify = async (): Promise<AccessRow> => {
    const access = await deps.auth.authorizeAccess(tokenOf(upgrade, options), sessionId, caller);
    await getJoinable(deps, sessionId);
    return access;
  };
  let login: Login | undefined;
  try {
    checkOrigin(upgrade.request.headers, deps.origins);
    const access = await verify();
    login = deps.logins.reserve(access, claim(offeredBy(upgrade), access, upgrade), caller);
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
  { sessions, hub }: Pick<AdmissionDeps, 'sessions' | 'hub'>,
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

/** From the subprotocols, the header or, for clients that can do nothing else, the query, which no log of ours shows. */
function tokenOf(upgrade: Upgrade, options: Pick<AdmissionOptions, 'subprotocol' | 'tokenParameter'>): string {
  const { request, url } = upgrade;
  const { subprotocol, tokenParameter } = options;
  const offered = offeredBy(upgrade);
  const inProtocol = offered
    .find((protocol) => protocol.startsWith(TOKEN_SUBPROTOCOL))
    ?.slice(TOKEN_SUBPROTOCOL.length);
  if (inProtocol !== undefined && !offered.includes(subprotocol))
    throw new GatewayError(
      'BAD_REQUEST',
      `offer the subprotocol ${subprotocol} beside the token's, for that is never answered`,
    );
  const token = inProtocol ?? bearerOf(request.headers) ?? url.searchParams.get(tokenParameter);
  if (!token)
    throw new GatewayError(
      'UNAUTHENTICATED',
      `joining needs an access token: as subprotocol ${TOKEN_SUBPROTOCOL}TOKEN, bearer or ?${tokenParameter}=`,
    );
  return token;
}

/** The subprotocols. */
function offeredBy({ request }: Upgrade): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
}
