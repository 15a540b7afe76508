import { randomUUID } from 'node:crypto';
import { VNC_FRAME_MAX_BYTES } from '../../protocol/limits.ts';
import { createSessionDoor, type SessionDoorDeps } from '../logins/session-door.ts';
import type { Metrics } from '../metrics.ts';
import type { Door } from '../upgrade.ts';
import { pipeVnc, type VncPipeOptions } from './pipe.ts';

/** As websockify's; clients that offer none get none. */
const SUBPROTOCOL = 'binary';

/** Where VNC clients join a session: `/s/SESSION/vnc`, RFB in binary frames. Each has a whole RFB session of its own. */
export function createVncDoor(
  deps: SessionDoorDeps & { metrics: Metrics },
  options: Pick<VncPipeOptions, 'patienceMs' | 'stallMs'>,
): Door {
  const { metrics } = deps;
  return createSessionDoor(deps, {
    pattern: /^\/s\/(?<sessionId>[a-z0-9][a-z0-9-]{0,63})\/vnc$/,
    frameMaxBytes: VNC_FRAME_MAX_BYTES,
    subprotocol: SUBPROTOCOL,
    name: 'vnc',
    joins: metrics.vncJoins,
    claim: (_offered, { session_id: sessionId }) => ({
      loginId: randomUUID(),
      client: 'vnc',
      order: { kind: 'vnc', sessionId },
    }),
    pipingFor:
      ({ role }) =>
      (client, tunnel, onFailure) =>
        pipeVnc(client, tunnel, { ...options, role, metrics }, onFailure),
  });
}
