import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { IcePlan, type Viewer } from '../../protocol/ice.ts';
import { SIGNALING_FRAME_MAX_BYTES } from '../../protocol/limits.ts';
import type { Metrics } from '../metrics.ts';
import type { Door, Upgrade } from '../upgrade.ts';
import { claimLogin, orderOf, SUBPROTOCOL } from './order.ts';
import { pipe } from './pipe.ts';
import { createSessionDoor, type SessionDoorDeps } from './session-door.ts';

/** Where clients join a session: `/s/SESSION/api/ws`, as neko's own clients know it. */
export function createSignalingDoor(deps: SessionDoorDeps & { metrics: Metrics }): Door {
  return createSessionDoor(deps, {
    pattern: /^\/s\/(?<sessionId>[a-z0-9][a-z0-9-]{0,63})\/api\/ws$/,
    frameMaxBytes: SIGNALING_FRAME_MAX_BYTES,
    subprotocol: SUBPROTOCOL,
    name: 'login',
    joins: deps.metrics.joins,
    claim: (offered, access, upgrade) => {
      const claim = claimLogin(offered, access.id);
      const login = orderOf(access, claim);
      const order = { kind: 'signaling', sessionId: access.session_id, login, viewer: viewerOf(upgrade) } as const;
      return { ...claim, order };
    },
    pipingFor: () => pipe,
  });
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
