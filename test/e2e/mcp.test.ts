// The official SDK's client at `nekogate mcp`, with a real desktop behind it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import sharp from 'sharp';
import { test } from 'vitest';
import { z } from 'zod';
import { Desks } from '../../src/mcp/desks.ts';
import { listenMcp } from '../../src/mcp/listen.ts';
import { Launched, WindowList } from '../../src/protocol/tools.ts';
import { Recording, RecordingList } from '../../src/protocol/recordings.ts';
import { connect } from '../../src/sdk/index.ts';
import { findAdminToken } from '../../src/cli/api.ts';
import { environmentOf, MAIN } from '../harness/command.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { openHouse, paintedTerminal, startDesktop, until, type House } from '../harness/house.ts';
import { cornerColourOf } from '../harness/program.ts';

const FORM = fileURLToPath(new URL('../fixtures/greeting-form.py', import.meta.url));
const LOOKING = [
  'computer_cursor_position',
  'computer_screenshot',
  'computer_wait',
  'computer_windows',
  'computer_zoom',
];
const Result = z.object({
  isError: z.boolean().optional(),
  content: z.array(
    z.discriminatedUnion('type', [
      z.object({ type: z.literal('text'), text: z.string() }),
      z.object({ type: z.literal('image'), data: z.base64(), mimeType: z.string() }),
    ]),
  ),
});
type Result = z.infer<typeof Result>;
const Accesses = z.object({ access: z.array(z.object({ role: z.string(), revokedAt: z.string().nullable() })) });
const Created = z.object({ id: z.string(), state: z.string() });

test('a model sees a desktop by its tools, clicks and types, and finds pixels and a file changed', async () => {
  await using house = await openHouse();
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const sessionId = await startDesktop(house, paintedTerminal(file));
  await using model = await openModel(house, ['--session', sessionId, '--allow', 'drive']);
  const look = async (): Promise<string> => colourOf(await model.call('computer_screenshot'));
  await until('the terminal is blue', look, (colour) => colour === 'blue');

  await model.call('computer_click', { x: 400, y: 300, session: sessionId });
  await until('the terminal is red', look, (colour) => colour === 'red');
  const actions = [
    { type: 'type', text: 'by MCP' },
    { type: 'key', keys: 'Return' },
  ];
  const typed = await model.call('computer_batch', { actions });
  await until('the terminal is green', look, (colour) => colour === 'green');

  assert.equal(typed.isError, undefined);
  assert.equal(await readFile(file, 'utf8'), 'by MCP');
  await model[Symbol.asyncDispose]();
  const { access } = await house.callApi('GET', `/api/v1/sessions/${sessionId}/access`, Accesses);
  assert.deepEqual(
    access.map(({ role, revokedAt }) => [role, revokedAt !== null]),
    [['controller', true]],
  );
});

test('a model records a desktop, finds a button by its name, and presses it', async () => {
  await using house = await openHouse();
  await using folder = await temporaryFolder();
  const sessionId = await startDesktop(house, ['/usr/bin/python3', FORM, join(folder.path, 'greeted')]);
  await using model = await openModel(house, ['--session', sessionId, '--allow', 'drive']);
  const ask = async (name: string, given: Record<string, unknown> = {}): Promise<string> => {
    const result = await model.call(name, given);
    assert.equal(result.isError, undefined, textOf(result));
    return textOf(result);
  };
  const { id: recording } = Recording.parse(JSON.parse(await ask('recording_start', { name: 'shown' })));

  const tree = await until(
    'the form is there',
    () => ask('computer_accessibility_tree'),
    (text) => text.includes('"Greet"'),
  );
  const ref = /"ref":"([^"]+)","role":"push button","name":"Greet"/.exec(tree)?.[1];
  await ask('computer_accessibility_act', { ref, action: 'press' });
  await until(
    'it greets',
    () => ask('computer_accessibility_tree'),
    (text) => text.includes('"Hello "'),
  );
  const gone = await model.call('computer_accessibility_act', { ref: '00000000:1.1:1', action: 'press' });
  const stopped = Recording.parse(JSON.parse(await ask('recording_stop', { recording })));
  const listed = RecordingList.parse(JSON.parse(await ask('recording_list')));
  await ask('recording_delete', { recording });

  assert.match(textOf(gone), /^ELEMENT_GONE: /);
  assert.deepEqual([stopped.state, listed.recordings], ['completed', [stopped]]);
  assert.deepEqual(RecordingList.parse(JSON.parse(await ask('recording_list'))).recordings, []);
});

test('a model arranges windows, starts programs, uses the clipboard and reads and writes files', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm', '-T', 'first']);
  await using model = await openModel(house, ['--session', sessionId, '--allow', 'drive']);
  const ask = async (name: string, given?: object): Promise<unknown> => {
    const result = await model.call(name, { ...given });
    assert.equal(result.isError, undefined, textOf(result));
    return JSON.parse(textOf(result));
  };

  await ask('computer_file_write', { path: 'notes/in', text: 'by MCP' });
  const command = ['xterm', '-T', 'second', '-e', 'sh', '-c', 'tr a-z A-Z < notes/in > out; mv out notes/done; cat'];
  const { window } = Launched.parse(await ask('computer_launch', { command, waitMs: 20_000 }));
  await until(
    'it is changed',
    async () => textOf(await model.call('computer_file_list', { path: 'notes' })),
    (list) => list.includes('"done"'),
  );
  const text = await ask('computer_file_read', { path: 'notes/done' });
  const windows = WindowList.shape.windows.parse(await ask('computer_windows'));
  await ask('computer_focus_window', { window: windows[0]?.id });
  await ask('computer_move_window', { window: window?.id, x: 50, y: 60 });
  await ask('computer_resize_window', { window: window?.id, width: 300, height: 200 });
  const closed = await ask('computer_close_window', { window: window?.id });
  await ask('computer_clipboard_write', { text: 'copied' });
  const clipboard = await ask('computer_clipboard_read');
  await ask('computer_file_write', { path: 'large', text: 'x'.repeat(200_000) });
  await ask('computer_launch', {
    command: ['sh', '-c', 'cat large large > larger; printf "\\377" > bytes; mv bytes binary'],
  });
  await until(
    'they are there',
    async () => textOf(await model.call('computer_file_list')),
    (list) => list.includes('"binary"'),
  );
  const refused = [
    await model.call('computer_file_read', { path: 'larger' }),
    await model.call('computer_file_read', { path: 'binary' }),
    await model.call('computer_open', { target: 'not/there' }),
  ];
  const removed = await ask('computer_file_remove', { path: 'notes/done' });

  assert.deepEqual(text, { text: 'BY MCP' });
  assert.deepEqual(
    windows.map(({ title }) => title),
    ['first', 'second'],
  );
  assert.deepEqual([closed, clipboard, removed], [{ closed: true }, { text: 'copied' }, { removed: true }]);
  assert.deepEqual(
    refused.map((result) => textOf(result).split(':', 1)[0]),
    ['MESSAGE_TOO_BIG', 'UNSUPPORTED_MEDIA_TYPE', 'NOT_FOUND'],
  );
});

test('tools only look unless they are allowed more, and reach no other session', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const otherId = await startDesktop(house, ['xterm']);
  await using model = await openModel(house, ['--session', sessionId]);

  const tools = await model.tools();
  const listed = textOf(await model.call('session_list'));
  const refused = [
    await model.call('computer_click', { x: 1, y: 1 }),
    await model.call('computer_batch', { actions: [{ type: 'click', x: 1, y: 1 }] }),
    await model.call('session_stop', { session: sessionId }),
    await model.call('computer_launch', { command: ['xterm'] }),
    await model.call('computer_file_read', { path: 'a' }),
  ];
  const windows = await model.call('computer_windows');
  const elsewhere = [
    await model.call('computer_screenshot', { session: otherId }),
    await model.call('session_get', { session: otherId }),
  ];

  assert.deepEqual(tools, [...LOOKING, 'session_get', 'session_list']);
  assert.ok(listed.includes(sessionId) && !listed.includes(otherId));
  assert.deepEqual(
    refused.map(({ isError }) => isError),
    [true, true, true, true, true],
  );
  assert.equal(windows.isError, undefined);
  assert.ok(elsewhere.every((result) => textOf(result).startsWith('FORBIDDEN')));
});

test('a model starts and stops sessions where it may, and is told of failures, never of secrets', async () => {
  await using house = await openHouse();
  await using model = await openModel(house, ['--allow', 'sessions', '--allow', 'drive']);

  const app = ['xterm', '-title', 'my-secret'];
  const made = await model.call('session_create', { app, screen: { width: 2000, height: 1000 } });
  const { id, state } = Created.parse(JSON.parse(textOf(made)));
  assert.equal(state, 'running');
  const picture = await model.call('computer_screenshot');
  const corner = await model.call('computer_batch', {
    actions: [{ type: 'move', x: 1515, y: 757 }, { type: 'cursor_position' }],
  });
  const offScreen = await model.call('computer_click', { x: 1600, y: 0 });
  const badKey = await model.call('computer_key', { keys: 'Retrun' });
  const stopped = await model.call('session_stop', { session: id });

  const image = picture.content.find(({ type }) => type === 'image');
  assert.ok(image?.type === 'image');
  const { width, height } = await sharp(Buffer.from(image.data, 'base64')).metadata();
  assert.deepEqual([width, height], [1516, 758]);
  assert.match(textOf(corner), /"position":\{"x":1515,"y":757\}/);
  assert.deepEqual([offScreen.isError, badKey.isError], [true, true]);
  assert.match(textOf(offScreen), /^OUT_OF_RANGE/);
  assert.match(textOf(badKey), /^KEY_UNKNOWN/);
  assert.match(textOf(stopped), /"state":"stopped"/);
  assert.doesNotMatch(JSON.stringify([made, stopped]), /my-secret/);
});

test('over HTTP a client needs the token, and sees the desktop', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const token = await findAdminToken({ ...house.environment, adminToken: undefined });
  const nekogate = connect({ url: house.gateway.url, token });
  const scope = { sessions: [sessionId], mayDrive: false, mayManage: false };
  await using desks = new Desks((id) => nekogate.openDesktop(id, { role: 'viewer' }), scope);
  const options = { host: '127.0.0.1', port: 0, token: 'of-the-clients' };
  await using listening = await listenMcp({ desks, sessions: nekogate.sessions }, scope, options);
  const open = (bearer: string): Promise<Model> =>
    openClient(
      new StreamableHTTPClientTransport(new URL(listening.url), {
        requestInit: { headers: { authorization: `Bearer ${bearer}` } },
      }),
    );

  await assert.rejects(open('of-nobody'), { code: 401 });
  await using model = await open(options.token);
  const { content } = await model.call('computer_screenshot', { scale: 0.5, format: 'png' });

  assert.deepEqual(await model.tools(), [...LOOKING, 'session_get', 'session_list']);
  assert.deepEqual(
    content.map((part) => (part.type === 'image' ? part.mimeType : part.type)),
    ['text', 'image/png'],
  );
});

interface Model extends AsyncDisposable {
  tools(): Promise<string[]>;
  call(name: string, given?: Record<string, unknown>): Promise<Result>;
}

function openModel(house: House, args: string[]): Promise<Model> {
  const command = { command: process.execPath, args: [MAIN, 'mcp', ...args], env: environmentOf(house) };
  return openClient(new StdioClientTransport(command));
}

async function openClient(transport: StdioClientTransport | StreamableHTTPClientTransport): Promise<Model> {
  const client = new Client({ name: 'test', version: '1' });
  try {
    await client.connect(transport);
  } catch (thrown) {
    await client.close();
    throw thrown;
  }
  return {
    tools: async () => (await client.listTools()).tools.map(({ name }) => name).toSorted(),
    call: async (name, given = {}) => Result.parse(await client.callTool({ name, arguments: given })),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

function textOf({ content }: Result): string {
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('\n');
}

async function colourOf({ content }: Result): Promise<string> {
  const image = content.find(({ type }) => type === 'image');
  assert.ok(image?.type === 'image', JSON.stringify(content));
  const { data, info } = await sharp(Buffer.from(image.data, 'base64'))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return cornerColourOf(data, info);
}
