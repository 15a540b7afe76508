import { setTimeout as sleep } from 'node:timers/promises';
import { assert, test } from 'vitest';
import { isUdpFree } from '../../src/agent/udp-claims.ts';
import { openDockerHost, type DockerHost } from '../harness/docker-runtime.ts';

const CYCLES = 20;
/** What a runtime may have grown by: garbage that wasn't collected yet. A container's log or socket kept in each cycle would be more. */
const GROWTH_MAX_BYTES = 32 * 1024 * 1024;

test('after twenty starts and stops Docker, ports and memory are as before', { timeout: 300_000 }, async () => {
  await using host = await openDockerHost(24_200);
  const runtime = host.open();
  const home = `home-${host.agentId}`;
  // What is loaded and made once for all.
  await (await host.start(runtime, 's-0', { home })).stop();
  const before = await everything(host);
  const memory = process.memoryUsage().rss;
  const handles = process.getActiveResourcesInfo().length;

  for (let cycle = 1; cycle <= CYCLES; cycle += 1) await (await host.start(runtime, `s-${cycle}`, { home })).stop();

  assert.deepEqual(await everything(host), before);
  assert.equal(runtime.freeSlots, 4);
  for (let port = 24_200; port <= 24_207; port += 1) assert.isTrue(await isUdpFree(port), String(port));
  // Closed sockets are gone a turn later.
  await sleep(100);
  assert.isAtMost(process.getActiveResourcesInfo().length, handles + 2);
  assert.isAtMost(process.memoryUsage().rss - memory, GROWTH_MAX_BYTES);
});

/** All that is of this agent in Docker. */
async function everything({ docker, agentId }: DockerHost): Promise<Record<string, string>> {
  const label = `label=nekogate.agent=${agentId}`;
  const [containers, networks, volumes] = await Promise.all([
    docker.run(['ps', '--all', '--format', '{{.Names}}', '--filter', label]),
    docker.run(['network', 'ls', '--format', '{{.Name}}', '--filter', label]),
    docker.run(['volume', 'ls', '--format', '{{.Name}}', '--filter', label]),
  ]);
  return { containers, networks, volumes };
}
