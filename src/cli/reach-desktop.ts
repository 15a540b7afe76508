import type { Environment } from '../config.ts';
import { connect, type Desktop, type Nekogate, type Role } from '../sdk/index.ts';
import { findAdminToken } from './api.ts';

/** Of an access that a command makes for itself, should it never come to revoke it. */
const TTL_SECONDS = 60 * 60;

export const REACH_USAGE = `  --gateway URL       the gateway's address (NEKOGATE_URL, else http://127.0.0.1:8080)

The token is that of an access, NEKOGATE_ACCESS_TOKEN or in the file NEKOGATE_ACCESS_TOKEN_FILE; without one, the administrator's:
NEKOGATE_ADMIN_TOKEN, or the data folder of a gateway on this machine. With that, an access is made, and revoked at the end.
`;

const GATEWAY_DEFAULT = 'http://127.0.0.1:8080';

export interface Reach {
  nekogate: Nekogate;
  isAdmin: boolean;
}

/** The gateway, by the token that the environment has. @throws GatewayError UNAUTHENTICATED where it has none */
export async function reachGateway(environment: Environment, gateway: string | undefined): Promise<Reach> {
  const { accessToken } = environment;
  const token = accessToken ?? (await findAdminToken(environment));
  const url = gateway ?? environment.gatewayUrl ?? GATEWAY_DEFAULT;
  return { nekogate: connect({ url, token }), isAdmin: accessToken === undefined };
}

/** A session's desktop; dispose of it when done, so that nobody waits for the controls. */
export async function reachDesktop(
  { nekogate, isAdmin }: Reach,
  sessionId: string,
  { role, label, signal }: { role: Role; label: string; signal: AbortSignal },
): Promise<Desktop & AsyncDisposable> {
  if (isAdmin) return nekogate.openDesktop(sessionId, { role, label, ttlSeconds: TTL_SECONDS, signal });
  return { ...nekogate.desktop(sessionId), [Symbol.asyncDispose]: () => Promise.resolve() };
}
