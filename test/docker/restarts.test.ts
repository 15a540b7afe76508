// On a dockerd of its own, for the one of the other tests must not be ended under them.
import { once } from 'node:events';
import { Agent, request } from 'undici';
import { assert, test } from 'vitest';
import { RESTART_LIMITS } from '../../src/desktop/restart-policy.ts';
import { openOwnDockerd, type Dockerd } from '../harness/docker.ts';
import { importObedientImage, openDockerHost, untilHealth } from '../harness/docker-runtime.ts';

const SIGNALS = ['SIGTERM', 'SIGKILL'] as const;

test('a dockerd that restores its containers is ended and killed, and sessions and connections to them go on', async () => {
  await using dockerd = await openOwnDockerd(['--live-restore']);
  await using host = await openDockerHost(24_230, dockerd.docker, importObedientImage);
  await using stack = new AsyncDisposableStack();
  const session = await host.start(host.open({ restartLimits: RESTART_LIMITS }), 's-1');
  stack.defer(() => session.stop());
  const states: string[] = [];
  session.onHealth(({ state }) => states.push(state));
  const startedAt = await startOf(dockerd);
  // A login is such a connection, and ends with it.
  const connections = stack.adopt(new Agent({ bodyTimeout: 0 }), (agent) => agent.destroy());
  const { body } = await request(`${session.neko.baseUrl}/stay`, { dispatcher: connections });
  await once(body, 'data');

  for (const signal of SIGNALS) {
    await dockerd.end(signal);
    await once(body, 'data');
    await dockerd.start();
    // What happens to a container is heard again.
    await dockerd.docker.run(['pause', 'nekogate-s-1']);
    await untilHealth(session, ({ state }) => state === 'paused');
    await dockerd.docker.run(['unpause', 'nekogate-s-1']);
    await untilHealth(session, ({ state }) => state === 'running');
    await once(body, 'data');
  }

  assert.deepEqual(states, ['paused', 'running', 'paused', 'running']);
  assert.equal(await startOf(dockerd), startedAt);
});

test('a dockerd that does not is ended and killed, and its sessions run again once it is back', async () => {
  await using dockerd = await openOwnDockerd([]);
  await using host = await openDockerHost(24_240, dockerd.docker, importObedientImage);
  await using stack = new AsyncDisposableStack();
  const session = await host.start(host.open({ restartLimits: RESTART_LIMITS }), 's-1');
  stack.defer(() => session.stop());
  const id = () => dockerd.docker.run(['inspect', '--format', '{{.Id}}', 'nekogate-s-1']);
  const container = await id();

  for (const signal of SIGNALS) {
    const startedAt = await startOf(dockerd);
    const ended = untilHealth(session, ({ state }) => state === 'starting');
    await dockerd.end(signal);
    await dockerd.start();
    await ended;
    await untilHealth(session, ({ state }) => state === 'running');
    assert.notEqual(await startOf(dockerd), startedAt);
  }

  assert.equal(await id(), container);
  await session.stop();
  assert.deepEqual(await host.left(), []);
});

function startOf({ docker }: Dockerd): Promise<string> {
  return docker.run(['inspect', '--format', '{{.State.StartedAt}}', 'nekogate-s-1']);
}
