import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'vitest';
import { z } from 'zod';
import { connectApi, findAdminToken } from '../../src/cli/api.ts';
import { readEnvironment } from '../../src/config.ts';
import { listSessionFolders } from '../../src/desktop/folder.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { until } from '../harness/house.ts';
import { startProgram, type Program } from '../harness/programs.ts';
import { RfbClient } from '../harness/rfb-client.ts';

const BLUE = '2040c0';

test('VNC clients of an agent or gateway that is killed are ended, and come back to the same desktop with the next one', async () => {
  await using folder = await temporaryFolder();
  const [data, run] = [join(folder.path, 'data'), join(folder.path, 'run')];
  const env = { NEKOGATE_DATA_DIR: data, NEKOGATE_RUNTIME_DIR: run };
  await using programs = new AsyncDisposableStack();
  const start = async (args: string[], ready: RegExp, own = {}): Promise<{ program: Program; said: string }> => {
    const program = programs.use(startProgram(args, { ...env, ...own }));
    return { program, said: (await program.until(ready))[1] ?? '' };
  };
  const gateway = await start(['gateway', '--port', '0'], /"url":"(http:[^"]+)"/);
  const url = gateway.said;
  const callApi = connectApi(url, await findAdminToken({ ...readEnvironment(), adminToken: undefined, dataDir: data }));
  const { key } = await callApi('POST', '/api/v1/agents', z.object({ key: z.string() }), { id: 'host-1' });
  const startAgent = () =>
    start(['agent', '--gateway', url, '--id', 'host-1'], /(connected to the gateway)/, { NEKOGATE_AGENT_KEY: key });
  const agent = await startAgent();
  const { id } = await callApi('POST', '/api/v1/sessions?wait=ready', z.object({ id: z.string() }), {
    app: ['xterm', '-fullscreen', '-bg', `#${BLUE}`],
    audio: false,
  });
  const { token } = await callApi('POST', `/api/v1/sessions/${id}/access`, z.object({ token: z.string() }), {
    role: 'viewer',
  });
  const comeIn = async (): Promise<RfbClient> => {
    const client = await until(
      'a VNC client is in',
      () => RfbClient.open(url, id, token).catch(() => undefined),
      (opened) => opened !== undefined,
    );
    assert(client);
    await until(
      'its picture',
      async () => {
        await client.refresh();
        return client.pixel(400, 500);
      },
      (pixel) => pixel === BLUE,
    );
    return client;
  };

  const first = await comeIn();
  agent.program.kill('SIGKILL');
  assert.deepEqual(await first.closed, { code: 4503, reason: 'AGENT_OFFLINE' });
  await startAgent();
  const second = await comeIn();
  gateway.program.kill('SIGKILL');
  assert.equal((await second.closed).code, 1006);
  await start(['gateway', '--port', new URL(url).port], /"url":"(http:[^"]+)"/);
  await using third = await comeIn();

  assert.equal(third.name, 'nekogate');
  assert.equal(listSessionFolders(run).length, 1);
});
