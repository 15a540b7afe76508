import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { startHostileEngine } from '../../../test/harness/hostile-engine.ts';
import { until } from '../../../test/harness/house.ts';
import { setUpSynced, type SyncedSetting } from '../../../test/harness/synced-setting.ts';
import { Engine } from '../engine.ts';
import { FILES_LABEL, OWNER_LABEL } from '../labels.ts';
import { Folders } from './folders.ts';

const log = pino({ level: 'silent' });
const OWNER = 'me';
const MANY = 3000;

interface Setting extends AsyncDisposable {
  folders: Folders;
  at: SyncedSetting;
  /** What the daemon lists and inspects from now on. */
  set: (ids: string[]) => void;
  /** Says an event, as the daemon does. */
  say: () => void;
  rootOf: (id: string) => { here: string; there: string };
}

/** A daemon whose running containers each have a folder of their own. */
async function setUp(): Promise<Setting> {
  await using opening = new AsyncDisposableStack();
  const at = opening.use(await setUpSynced());
  let ids: string[] = [];
  const watchers: ((line: string) => void)[] = [];
  const rootOf = (id: string): { here: string; there: string } => ({
    here: join(at.here, id[0] ?? ''),
    there: join(at.path, 'copies', id[0] ?? ''),
  });
  const labelsOf = (id: string): Record<string, string> => {
    const { here: root, there: remoteRoot } = rootOf(id);
    const carried = [{ asked: root, remote: remoteRoot, folder: { root, remoteRoot, isWritable: true } }];
    return { [OWNER_LABEL]: OWNER, [FILES_LABEL]: JSON.stringify(carried) };
  };
  const inspect = (id: string): unknown => ({
    Id: id,
    Name: '/x',
    State: { Running: true, Restarting: false },
    Config: { Labels: labelsOf(id) },
    HostConfig: {},
    NetworkSettings: {},
  });
  const daemon = opening.use(
    await startHostileEngine(join(at.path, 'engine.sock'), (socket, sofar) => {
      const target = sofar.toString().split(' ')[1] ?? '';
      if (target.startsWith('/events')) {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        watchers.push((line) => socket.write(`${line.length.toString(16)}\r\n${line}\r\n`));
        return;
      }
      const body = JSON.stringify(
        target.startsWith('/containers/json')
          ? ids.map((Id) => ({ Id, State: 'running', Labels: labelsOf(Id) }))
          : inspect(target.split('/')[2] ?? ''),
      );
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }),
  );
  const engine = new Engine(() => daemon.dial());
  const folders = new Folders({ engine, remote: at, owner: OWNER, memoryDir: at.memoryDir, foldersMax: 100, log });
  opening.defer(() => folders.stop());
  const owned = opening.move();
  return {
    folders,
    at,
    rootOf,
    set: (next) => {
      ids = next;
    },
    say: () => {
      for (const watcher of watchers)
        watcher(`${JSON.stringify({ Type: 'container', Action: 'any', Actor: { ID: 'x' } })}\n`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A container that runs with its folder in step, and that ends when much is to be brought home. */
async function endWithMuch({ at, folders, set, say, rootOf }: Setting): Promise<{ here: string; there: string }> {
  const id = 'a'.repeat(64);
  const { here, there } = rootOf(id);
  await mkdir(here);
  await writeFile(join(here, 'file'), 'x');
  set([id]);
  say();
  await until(
    'it is in step',
    async () => folders.status()[0]?.state,
    (state) => state === 'in step',
  );
  const made = join(at.path, 'made');
  await mkdir(made);
  for (let file = 0; file < MANY; file++) await writeFile(join(made, String(file)), 'x');
  await rename(made, join(there, 'made'));
  set([]);
  say();
  await until(
    'it is under way',
    async () => (await readdir(join(here, 'made')).catch(() => [])).length,
    (count) => count > 0,
  );
  return { here, there };
}

test('the end of the proxy breaks off what is brought home, which stays there for the next', async () => {
  await using at = await setUp();
  const { here, there } = await endWithMuch(at);

  await at.folders.stop();

  assert.isBelow((await readdir(join(here, 'made'))).length, MANY);
  assert.lengthOf(await readdir(join(there, 'made')), MANY);
});

test('a start does not wait for what another container left to be brought home, and one of the same folder does', async () => {
  await using at = await setUp();
  const { here } = await endWithMuch(at);
  const [same, other] = ['a'.repeat(64), 'b'.repeat(64)];
  await mkdir(at.rootOf(other).here);
  at.set([other]);

  const held = await at.folders.hold(other);
  const meanwhile = await readdir(join(here, 'made'));
  at.set([same, other]);
  const again = await at.folders.hold(same);

  assert.isBelow(meanwhile.length, MANY);
  assert.lengthOf(await readdir(join(here, 'made')), MANY);
  assert.sameMembers(
    at.folders.status().map(({ local, state }) => `${local} ${state}`),
    [same, other].map((id) => `${at.rootOf(id).here} in step`),
  );
  await held?.release();
  await again?.release();
});
