import type { Logger } from 'pino';
import { GatewayError } from '../../errors.ts';
import type { App } from '../app.ts';
import { sendProblem } from '../server.ts';
import { Desks, type DeskDeps } from './desk.ts';
import { addClipboardRoutes } from './clipboard-routes.ts';
import { addLaunchRoutes } from './launch-routes.ts';
import { addWindowRoutes } from './window-routes.ts';
import { addInputRoutes } from './input-routes.ts';
import { addLifecycleRoutes, type LifecycleDeps } from './lifecycle-routes.ts';
import { addPictureRoutes } from './picture-routes.ts';
import { sandboxProblemOf } from './problem.ts';
import { addRecordingRoutes } from './recording-routes.ts';
import { addStreamRoutes, type StreamRoutesDeps } from './stream-routes.ts';

/** Of a path, as it is shown back. */
const PATH_MAX_LENGTH = 256;

export interface SandboxAgentDeps extends DeskDeps, Omit<LifecycleDeps & StreamRoutesDeps, 'desks'> {
  log: Logger;
}

/**
 * sandbox-agent's desktop API (https://sandboxagent.dev, 0.4.2) for one session, so that its own client drives a session of ours with
 * `/s/SESSION` as its base and an access token as its token. Its other parts are not served.
 */
export async function addSandboxAgent(app: App, deps: SandboxAgentDeps): Promise<void> {
  const desks = new Desks(deps);
  await app.register(
    async (scope) => {
      scope.setErrorHandler((error, request, reply) => sendProblem(deps, error, request, reply, sandboxProblemOf));
      addLifecycleRoutes(scope, { ...deps, desks });
      addPictureRoutes(scope, desks);
      addInputRoutes(scope, desks);
      addWindowRoutes(scope, { ...deps, desks });
      addLaunchRoutes(scope, { ...deps, desks });
      addClipboardRoutes(scope, { ...deps, desks });
      addRecordingRoutes(scope, { ...deps, desks });
      addStreamRoutes(scope, { ...deps, desks });
      scope.route({
        method: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'],
        url: '/*',
        config: { allow: 'member' },
        schema: { hide: true },
        handler: async ({ method, url }) => {
          const path = url.split('?', 1)[0]?.slice(0, PATH_MAX_LENGTH) ?? '';
          throw new GatewayError('NOT_FOUND', `of sandbox-agent only the desktop is served here: no ${method} ${path}`);
        },
      });
    },
    { prefix: '/s/:sessionId/v1' },
  );
}
