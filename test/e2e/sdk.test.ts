// A program by the SDK, as somebody who installed the package has it, at a real desktop.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'vitest';
import { ActionFailed, connect, type Desktop, type Nekogate } from '../../src/sdk/index.ts';
import { findAdminToken } from '../../src/cli/api.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { openHouse, paintedTerminal, until, type House } from '../harness/house.ts';
import { cornerColourOf } from '../harness/program.ts';

test('a program starts a desktop, sees it, drives it, lets somebody in and ends it', async () => {
  await using house = await openHouse();
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const nekogate = await connectTo(house);

  const created = await nekogate.sessions.create({
    app: paintedTerminal(file),
    audio: false,
    screen: { width: 800, height: 600 },
  });
  const session = await nekogate.sessions.wait(created.id);
  const listed = await nekogate.sessions.list({ state: 'running' });
  assert.deepEqual(
    listed.sessions.map(({ id }) => id),
    [session.id],
  );

  const desktop = await nekogate.openDesktop(session.id, { label: 'robot' });
  await until(
    'the terminal is blue',
    () => colourOf(desktop),
    (colour) => colour === 'blue',
  );
  await desktop.act([{ type: 'click', x: 400, y: 300 }]);
  await until(
    'the terminal is red',
    () => colourOf(desktop),
    (colour) => colour === 'red',
  );
  await desktop.act([
    { type: 'type', text: 'by the SDK' },
    { type: 'key', keys: 'Return' },
  ]);
  await until(
    'the terminal is green',
    () => colourOf(desktop),
    (colour) => colour === 'green',
  );
  assert.equal(await readFile(file, 'utf8'), 'by the SDK');
  const logins = await nekogate.logins.list(session.id);
  assert.deepEqual(
    logins.map(({ label, role }) => [label, role]),
    [['robot', 'controller']],
  );
  await desktop.close();
  await assert.rejects(desktop.screenshot(), { code: 'ACCESS_REVOKED', status: 403, retryable: false });

  const granted = await nekogate.access.grant(session.id, { role: 'viewer', ttlSeconds: 60 });
  const watching = connect({ url: house.gateway.url, token: granted.token }).desktop(session.id);
  assert.equal((await watching.screenshot({ scale: 0.5 })).width, 400);
  await nekogate.access.revoke(session.id, granted.id);
  assert.equal(
    (await nekogate.access.list(session.id)).every(({ revokedAt }) => revokedAt !== null),
    true,
  );

  assert.equal((await nekogate.sessions.pause(session.id)).state, 'paused');
  assert.equal((await nekogate.sessions.resume(session.id)).state, 'running');
  assert.equal((await nekogate.sessions.stop(session.id)).state, 'stopped');
  await assert.rejects(nekogate.sessions.wait(session.id), { code: 'SESSION_ENDED' });
});

test('an action that fails says which, and a model is told in its own words', async () => {
  await using house = await openHouse();
  const nekogate = await connectTo(house);
  const { id } = await nekogate.sessions.create(
    { app: ['xterm'], audio: false, screen: { width: 800, height: 600 } },
    { wait: true },
  );
  await using desktop = await nekogate.openDesktop(id);

  const failure = await desktop
    .act([
      { type: 'move', x: 1, y: 1 },
      { type: 'click', x: 800, y: 0 },
    ])
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  const told = await desktop.computer('computer_toolset_20260801', [
    { type: 'tool_use', id: 'toolu_1', toolset_name: 'computer', name: 'fly', input: {} },
  ]);

  assert.ok(failure instanceof ActionFailed);
  assert.deepEqual([failure.code, failure.action], ['OUT_OF_RANGE', 1]);
  assert.deepEqual(
    failure.results.map(({ outcome }) => outcome),
    ['skipped', 'failed'],
  );
  assert.equal(told.ok, false);
  assert.match(JSON.stringify(told.outputs), /"tool_use_id":"toolu_1".*"is_error":true/);
});

test('a program brings a file, has a program of the desktop change it, and takes it away; windows and clipboard beside', async () => {
  await using house = await openHouse();
  const nekogate = await connectTo(house);
  const { id } = await nekogate.sessions.create({ app: ['xterm', '-T', 'first'], audio: false }, { wait: true });
  await using desktop = await nekogate.openDesktop(id);

  const written = await desktop.files.write('notes/in ü.txt', new Blob(['hello from the SDK']).stream());
  const { window } = await desktop.launch(
    ['xterm', '-T', 'second', '-e', 'sh', '-c', 'read line; tr a-z A-Z < "notes/$line" > out; mv out notes/done; cat'],
    { waitMs: 20_000 },
  );
  assert.ok(window);
  await desktop.act([{ type: 'type', text: 'in ü.txt\n' }]);
  await until(
    'it is changed',
    () => desktop.files.list('notes'),
    ({ entries }) => entries.some(({ name }) => name === 'done'),
  );
  const text = new TextDecoder().decode(await desktop.files.read('notes/done'));
  const moved = await desktop.moveWindow(window.id, { x: 100, y: 120 });
  const resized = await desktop.resizeWindow(window.id, { width: 400, height: 300 });
  const [first] = await desktop.windows();
  await desktop.focusWindow(first?.id ?? '');
  const focused = await desktop.focusedWindow();
  const closed = await desktop.closeWindow(window.id);
  await desktop.clipboard.write('copied €');
  await desktop.clipboard.write('selected', { selection: 'primary' });
  const clipboard = [await desktop.clipboard.read(), await desktop.clipboard.read({ selection: 'primary' })];
  await desktop.files.remove('notes/done');

  assert.deepEqual([written.name, written.size], ['in ü.txt', 18]);
  assert.equal(text, 'HELLO FROM THE SDK');
  assert.deepEqual([moved.x, moved.y], [100, 120]);
  assert.ok(Math.abs(resized.width - 400) < 10);
  assert.equal(focused?.title, 'first');
  assert.equal(closed, true);
  assert.deepEqual(clipboard, ['copied €', 'selected']);
  await assert.rejects(desktop.files.read('notes/done'), { code: 'NOT_FOUND', status: 404 });
  await assert.rejects(desktop.files.read('../spec.json'), { code: 'BAD_REQUEST' });
  await assert.rejects(desktop.focusWindow(window.id), { code: 'NOT_FOUND' });
  await assert.rejects(desktop.launch(['no-such-program']), { code: 'PROGRAM_NOT_FOUND' });
  const reason = new Error('not needed any more');
  await assert.rejects(desktop.files.list('', { signal: AbortSignal.abort(reason) }), reason);
});

async function connectTo(house: House): Promise<Nekogate> {
  const token = await findAdminToken({ ...house.environment, adminToken: undefined });
  return connect({ url: house.gateway.url, token });
}

async function colourOf(desktop: Desktop): Promise<string> {
  const { bytes, width, height } = await desktop.screenshot();
  return cornerColourOf(await sharp(bytes).removeAlpha().raw().toBuffer(), { width, height });
}
