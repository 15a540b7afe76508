// Short-lived TURN credentials, as draft-uberti-behave-turn-rest-00 has them and coturn's `use-auth-secret` takes them.
import { createHmac } from 'node:crypto';
import { GatewayError } from '../errors.ts';
import type { IceServer } from '../signaling/messages.ts';

export interface TurnServers {
  /** `turn:` and `turns:` URLs of one service. */
  urls: readonly string[];
  /** coturn's `static-auth-secret`. */
  secret: string;
}

/** At most. Long, since a viewer that restarts ICE makes its allocation with the credentials of its first offer. */
const VALID_S = 3600;

/** What one login is told: the servers, with credentials that end with the login if not before. */
export function turnServerFor(
  { urls, secret }: TurnServers,
  { loginId, expiresAt }: { loginId: string; expiresAt: string },
  nowMs: number,
): IceServer {
  const endsAt = Math.min(Math.floor(nowMs / 1000) + VALID_S, Math.floor(Date.parse(expiresAt) / 1000));
  const username = `${endsAt}:${loginId}`;
  // SHA-1 is the protocol's.
  const credential = createHmac('sha1', secret).update(username, 'utf8').digest('base64');
  return { urls: [...urls], username, credential };
}

const TURN_URL = /^turns?:(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?(?:\?transport=(?:udp|tcp))?$/;
const URLS_MAX = 8;
const PORT_MAX = 65_535;

/**
 * Checked here, since a browser makes no connection at all when one URL of the list is wrong.
 * @throws GatewayError BAD_REQUEST
 */
export function parseTurnServers(urls: readonly string[], secret: string | undefined): TurnServers | undefined {
  if (urls.length === 0) return undefined;
  if (urls.length > URLS_MAX) throw new GatewayError('BAD_REQUEST', `more than ${URLS_MAX} times --turn`);
  for (const url of urls) {
    const match = TURN_URL.exec(url);
    const port = Number(match?.[1] ?? 1);
    if (!match || port < 1 || port > PORT_MAX)
      throw new GatewayError('BAD_REQUEST', `--turn ${url} is not like turn:turn.example.org:3478?transport=udp`);
  }
  if (secret === undefined || secret === '') {
    throw new GatewayError(
      'BAD_REQUEST',
      "--turn needs the TURN server's static-auth-secret, by --turn-secret-file or NEKOGATE_TURN_SECRET",
    );
  }
  return { urls, secret };
}
