import { randomUUID } from 'node:crypto';
import { SIGNALING_FRAME_MAX_BYTES } from '../../protocol/limits.ts';
import { orderOf, SUBPROTOCOL } from '../logins/order.ts';
import { createSessionDoor, type SessionDoorDeps } from '../logins/session-door.ts';
import type { Metrics } from '../metrics.ts';
import type { Door } from '../upgrade.ts';
import { sandboxProblemOf } from './problem.ts';
import { nameByState } from './status.ts';
import type { Streams } from './streams.ts';

/** A session's signaling where sandbox-agent's client looks for it: neko's own messages, and a login for each that comes. */
export function createStreamDoor(deps: SessionDoorDeps & { metrics: Metrics; streams: Streams }): Door {
  const door = createSessionDoor(deps, {
    pattern: /^\/s\/(?<sessionId>[a-z0-9][a-z0-9-]{0,63})\/v1\/desktop\/stream\/signaling$/,
    frameMaxBytes: SIGNALING_FRAME_MAX_BYTES,
    subprotocol: SUBPROTOCOL,
    tokenParameter: 'access_token',
    name: 'login',
    joins: deps.metrics.joins,
    claim: (_offered, access, { address }) => {
      const loginId = randomUUID();
      const login = orderOf(access, { loginId, client: 'neko' });
      const order = { kind: 'signaling', sessionId: access.session_id, login, viewer: { address } } as const;
      return { loginId, client: 'sandbox-agent', order };
    },
    pipingFor: (access) => deps.streams.pipingFor(access),
    describe: sandboxProblemOf,
  });
  return {
    ...door,
    open: async (upgrade, groups) => {
      try {
        await door.open(upgrade, groups);
      } catch (thrown) {
        throw await nameByState(deps, groups['sessionId'] ?? '', thrown);
      }
    },
  };
}
