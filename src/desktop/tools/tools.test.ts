// A real desktop's tools, asked as its agent asks them.
import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { request, Client } from 'undici';
import { execa } from 'execa';
import { openDesktop, type OpenedDesktop } from '../../../test/harness/desktop.ts';
import { until } from '../../../test/harness/house.ts';
import { DesktopWindow, FolderList, Launched, WindowList } from '../../protocol/tools.ts';
import { displayEnvironment, toolsSocketOf } from '../environment.ts';

let opened: OpenedDesktop;
let home: string;

beforeAll(async () => {
  opened = await openDesktop({ app: ['xterm', '-T', 'first'] });
  home = opened.plan.environment.folder.home;
});
afterAll(() => opened[Symbol.asyncDispose]());

test('windows are moved, resized, focused and closed, and say where they are then', async () => {
  const launched = await call('launch', { command: ['xterm', '-T', 'second'], waitMs: 10_000 });
  const { window } = Launched.parse(launched);
  assert.ok(window);
  assert.equal(window.title, 'second');
  assert.equal((await stat(toolsSocketOf(opened.plan.environment.folder))).mode & 0o777, 0o600);

  const moved = await call('moveWindow', { id: window.id, x: 40, y: 60 });
  const resized = DesktopWindow.parse(await call('resizeWindow', { id: window.id, width: 300, height: 200 }));
  const [first] = await windows();
  const focused = await call('focusWindow', { id: first?.id });
  const closed = await call('closeWindow', { id: window.id });

  expect(moved).toMatchObject({ x: 40, y: 60 });
  // A terminal's size is whole characters.
  assert.ok(Math.abs(resized.width - 300) < 10 && Math.abs(resized.height - 200) < 20, JSON.stringify(resized));
  expect(focused).toMatchObject({ title: 'first', isActive: true });
  assert.deepEqual(closed, { closed: true });
  assert.deepEqual(
    (await windows()).map(({ title }) => title),
    ['first'],
  );
  await assert.rejects(call('focusWindow', { id: window.id }), /^Error: NOT_FOUND: the desktop has no window/);
});

test('a program that is not there, or fails before it has a window, is told with its last words', async () => {
  await assert.rejects(call('launch', { command: ['no-such-program'] }), /PROGRAM_NOT_FOUND/);
  await assert.rejects(call('launch', { command: ['../bin/sh'] }), /PROGRAM_NOT_FOUND/);
  await assert.rejects(
    call('launch', { command: ['sh', '-c', 'echo no luck >&2; exit 3'], waitMs: 10_000 }),
    /PROGRAM_FAILED: the program sh exited with code 3\nno luck/,
  );
  await assert.rejects(call('launch', { command: ['sh', 'a\0b'] }), /BAD_REQUEST/);

  const left = await call('launch', { command: ['sh', '-c', '(exec setsid xterm -T third) & exit 0'], waitMs: 10_000 });

  assert.equal(Launched.parse(left).window?.title, 'third');
});

test('what is copied is read, what is written is pasted, and an owner that never answers is told', async () => {
  const text = `Grüße €漢\n${'x'.repeat(300_000)}`;
  await call('writeClipboard', { text });
  await call('writeClipboard', { text: 'selected', selection: 'primary' });

  assert.deepEqual(await call('readClipboard', {}), { text });
  assert.equal((await xclip(['-o', '-selection', 'clipboard'])).stdout, text);
  assert.equal((await xclip(['-o', '-selection', 'primary'])).stdout, 'selected');
  const owner = xclip(['-i', '-quiet', '-selection', 'clipboard'], 'by a program');
  await until(
    'the program has it',
    () => call('readClipboard', {}),
    (answer) => JSON.stringify(answer) === '{"text":"by a program"}',
  );
  owner.kill('SIGSTOP');
  await assert.rejects(call('readClipboard', {}), /CLIPBOARD_FAILED/);
  owner.kill('SIGKILL');
  await owner;
  await until(
    'nobody has it',
    () => call('readClipboard', {}),
    (answer) => JSON.stringify(answer) === '{"text":null}',
  );
  await assert.rejects(call('writeClipboard', { text: '€'.repeat(400_000) }), /MESSAGE_TOO_BIG/);
});

test('files go up and down, keep their permissions, and are listed and removed', async () => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251));
  const path = 'some/new folder/ü.bin';
  await upload(path, bytes);
  await chmod(join(home, path), 0o750);

  const entry = await upload(path, bytes.subarray(1));
  const read = await download(path);
  const { entries } = FolderList.parse(await call('listFolder', { path: 'some/new folder' }));

  expect(entry).toMatchObject({ name: 'ü.bin', kind: 'file', size: 299_999 });
  assert.ok(read.equals(bytes.subarray(1)));
  assert.equal((await stat(join(home, path))).mode & 0o777, 0o750);
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['ü.bin'],
  );
  await assert.rejects(call('removeFile', { path: 'some' }), /CONFLICT: this folder is not empty/);
  await call('removeFile', { path });
  await call('removeFile', { path: 'some/new folder' });
  await assert.rejects(download(path), /NOT_FOUND/);
  assert.deepEqual(await readdir(join(home, 'some')), []);
  assert.equal((await upload('empty', Buffer.alloc(0))) !== undefined && (await download('empty')).length, 0);
});

test('nothing outside of the home is read, written or removed, and nothing but files is opened', async () => {
  const outside = join(opened.plan.environment.folder.tmp, 'outside');
  await mkdir(join(outside, 'folder'), { recursive: true });
  await writeFile(join(outside, 'secret'), 'secret');
  await symlink(join(outside, 'secret'), join(home, 'link'));
  await symlink(outside, join(home, 'way-out'));
  await symlink('/proc/self/root', join(home, 'root'));
  await execa('mkfifo', [join(home, 'pipe')]);
  await mkdir(join(home, 'inside'));
  await symlink('inside', join(home, 'alias'));

  for (const path of ['link', 'way-out/secret', 'root/etc/passwd'])
    await assert.rejects(download(path), /FORBIDDEN: this leads out of the home/, path);
  for (const path of ['../tmp/outside/secret', '/etc/passwd', 'a//b', './link', 'a\0b', 'inside/'])
    await assert.rejects(download(path), /BAD_REQUEST/, path);
  await assert.rejects(upload('way-out/new', Buffer.from('x')), /FORBIDDEN/);
  await assert.rejects(call('removeFile', { path: 'way-out/folder' }), /FORBIDDEN/);
  await assert.rejects(call('listFolder', { path: 'way-out' }), /FORBIDDEN/);
  await assert.rejects(download('pipe'), /CONFLICT: pipe is neither a file nor a folder/);
  await assert.rejects(download('inside'), /CONFLICT: inside is a folder/);
  await assert.rejects(upload('inside', Buffer.from('x')), /CONFLICT: inside is a folder/);
  await upload('link', Buffer.from('a file now'));
  await upload('alias/note', Buffer.from('through a link in the home'));
  await call('removeFile', { path: 'way-out' });

  assert.deepEqual((await readdir(outside)).toSorted(), ['folder', 'secret']);
  assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'secret');
  assert.equal(await readFile(join(home, 'link'), 'utf8'), 'a file now');
  assert.equal(await readFile(join(home, 'inside', 'note'), 'utf8'), 'through a link in the home');
});

test('an upload that is broken off leaves what was there, and nothing else', async () => {
  await upload('kept', Buffer.from('before'));
  const names = await readdir(home);
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(100_000);
    throw new Error('the line broke');
  }

  await assert.rejects(send('writeFile', { path: 'kept' }, broken()), /the line broke/);

  await until(
    'the upload is gone',
    () => readdir(home),
    (now) => now.length === names.length,
  );
  assert.equal(await readFile(join(home, 'kept'), 'utf8'), 'before');
});

test('an address or a file opens in what the desktop has for it; what is neither is refused', async () => {
  await assert.rejects(call('open', { target: 'ftp://example.com/' }), /BAD_REQUEST/);
  await assert.rejects(call('open', { target: 'file:///etc/passwd' }), /BAD_REQUEST|FORBIDDEN/);
  await assert.rejects(call('open', { target: 'not/there' }), /NOT_FOUND/);
});

test('what is no tool, no input of it, or too long is refused', async () => {
  await assert.rejects(call('fly', {}), /TOOLS_NOT_AVAILABLE: this desktop has no tool fly/);
  await assert.rejects(call('toString', {}), /TOOLS_NOT_AVAILABLE/);
  await assert.rejects(call('focusWindow', { id: 'x' }), /BAD_REQUEST/);
  await assert.rejects(call('launch', { command: [] }), /BAD_REQUEST/);
  await assert.rejects(call('listWindows', 'x'.repeat(9_000_000)), /MESSAGE_TOO_BIG/);
});

test('tools follow the desktop to the X server that it has after the old one ended', async () => {
  const xServer = opened.desktop.state.parts.find(({ name }) => name === 'x-server');
  assert.ok(xServer);

  const { window } = Launched.parse(await call('launch', { command: ['xterm'], waitMs: 10_000 }));
  const waiting = call('launch', { command: ['sleep', '1000'], waitMs: 60_000 });
  // It has begun once an answer that came after it is there.
  await call('focusWindow', { id: window?.id });
  process.kill(xServer.pid, 'SIGKILL');
  await assert.rejects(waiting, /SESSION_NOT_RUNNING/);
  await assert.rejects(call('listWindows', {}), /SESSION_NOT_RUNNING/);
  await opened.until(({ state }) => state === 'running');

  await until('there are windows again', windows, (found) => found.some(({ title }) => title === 'first'));
});

async function windows(): Promise<DesktopWindow[]> {
  return WindowList.parse(await call('listWindows', {})).windows;
}

async function call(name: string, input: unknown): Promise<unknown> {
  return JSON.parse((await send(name, input)).toString('utf8'));
}

async function upload(path: string, bytes: Buffer): Promise<unknown> {
  return JSON.parse((await send('writeFile', { path }, bytes)).toString('utf8'));
}

function download(path: string): Promise<Buffer> {
  return send('readFile', { path });
}

/** @throws Error with code and message of the failure */
async function send(name: string, input: unknown, bytes?: Buffer | AsyncIterable<Buffer>): Promise<Buffer> {
  const client = new Client('http://desktop', { socketPath: toolsSocketOf(opened.plan.environment.folder) });
  try {
    const json = JSON.stringify(input);
    const path = bytes === undefined ? `/${name}` : `/${name}?input=${encodeURIComponent(json)}`;
    const given = bytes === undefined ? json : Readable.from(Buffer.isBuffer(bytes) ? [bytes] : bytes);
    const { statusCode, body } = await request(`http://desktop${path}`, {
      method: 'POST',
      body: given,
      dispatcher: client,
    });
    const answer = Buffer.from(await body.arrayBuffer());
    if (statusCode === 200) return answer;
    const { code, message } = JSON.parse(answer.toString('utf8'));
    throw new Error(`${code}: ${message}`);
  } finally {
    await client.destroy();
  }
}

function xclip(args: string[], input?: string) {
  const { display = '' } = opened.desktop.state;
  const env = displayEnvironment(opened.plan.environment, display);
  return execa('xclip', args, { env, reject: false, stripFinalNewline: false, ...(input !== undefined && { input }) });
}
