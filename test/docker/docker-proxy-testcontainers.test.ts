// The testcontainers package, as it is, through the proxy; its Ryuk is a stand-in.
import { fileURLToPath } from 'node:url';
import { assert, test } from 'vitest';
import { z } from 'zod';
import { until } from '../harness/house.ts';
import { DESKTOP_IMAGE, ensureRyuk } from '../harness/images.ts';
import { startProgram } from '../harness/programs.ts';
import { NETWORK, say, setUpProxied } from '../harness/proxied-docker.ts';

const USER = fileURLToPath(new URL('../fixtures/uses-testcontainers.ts', import.meta.url));
const Seen = z.object({
  answer: z.string(),
  output: z.string(),
  exitCode: z.number(),
  hasArchive: z.boolean(),
  again: z.string(),
  left: z.string(),
  port: z.number(),
});

test('testcontainers starts, waits for, asks, copies to and stops containers, and what a killed program leaves is reaped', async () => {
  await using at = await setUpProxied();
  await using _proxy = await at.openProxy();
  const environment = {
    DOCKER_HOST: at.docker.host,
    // In a container it would look for ports at the gateway of the remote's network.
    TESTCONTAINERS_HOST_OVERRIDE: 'localhost',
    RYUK_CONTAINER_IMAGE: await ensureRyuk(at.direct),
    TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT: '1s',
  };
  await using user = startProgram([DESKTOP_IMAGE, NETWORK], environment, USER);
  const [line] = await user.until(/^{.*}$/m);
  const { left, port, ...seen } = Seen.parse(JSON.parse(line));
  const names = (): Promise<string> => at.direct.run(['ps', '--all', '--format', '{{.Names}}']);

  assert.deepEqual(seen, {
    answer: 'hello from /path',
    output: 'copied in',
    exitCode: 3,
    hasArchive: true,
    again: 'hello from /again',
  });
  assert.include(await names(), left.slice(1));
  assert.include(await names(), 'testcontainers-ryuk-');
  user.kill('SIGKILL');
  await until('all of it is gone', names, (there) => !/proxied-tc|testcontainers-ryuk/.test(there));
  await until(
    'the port is free',
    () => say(port),
    (answer) => answer.includes('ECONNREFUSED'),
  );
});
