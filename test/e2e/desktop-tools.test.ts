// What a program does at a real desktop beside pixels, by the API.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { Role } from '../../src/protocol/session.ts';
import { DesktopWindow, FolderList, Launched, WindowList } from '../../src/protocol/tools.ts';
import { folderOf, grant, openHouse, startDesktop, until, type House } from '../harness/house.ts';

const PAGE = `<!doctype html><title>loading</title><textarea></textarea><script>
  const field = document.querySelector('textarea');
  field.onfocus = () => { document.title = 'waiting'; };
  field.oninput = () => { document.title = 'got ' + field.value; };
  field.focus();
</script>`;
const SIGNS = '!"#$%&()*+:<>?@^_{|}~';
const Started = z.object({ id: z.string(), state: z.literal('running') });
const Problem = z.object({ code: z.string() });
const Audit = z.object({
  audit: z.array(z.object({ action: z.string(), actor: z.string(), detail: z.record(z.string(), z.unknown()) })),
});

let house: House;
let sessionId: string;
beforeAll(async () => {
  house = await openHouse();
  sessionId = await startDesktop(house, ['xterm', '-T', 'Grüße']);
});
afterAll(() => house[Symbol.asyncDispose]());

test('who may only watch sees the windows and which one keys go to, and nothing else', async () => {
  await using viewer = await openDesk(sessionId, 'viewer');
  const { windows } = await until(
    'the terminal has a window',
    async () => WindowList.parse(await viewer.ask('GET', 'windows')),
    (answer) => answer.windows[0]?.isActive === true,
  );
  const [window] = windows;
  assert.deepEqual([windows.length, window?.title, window?.class], [1, 'Grüße', 'XTerm']);
  assert.deepEqual(await viewer.ask('GET', 'windows/focused'), { window });

  const refused = [
    await viewer.refusal('POST', `windows/${window?.id}/focus`),
    await viewer.refusal('POST', `windows/${window?.id}/move`, { x: 1, y: 1 }),
    await viewer.refusal('POST', `windows/${window?.id}/resize`, { width: 1, height: 1 }),
    await viewer.refusal('POST', `windows/${window?.id}/close`),
    await viewer.refusal('POST', 'launch', { command: ['xterm'] }),
    await viewer.refusal('POST', 'open', { target: 'https://example.com' }),
    await viewer.refusal('GET', 'clipboard'),
    await viewer.refusal('PUT', 'clipboard', { text: '' }),
    await viewer.refusal('GET', 'files/'),
    await viewer.refusal('GET', 'files/a'),
    await viewer.refusal('PUT', 'files/a', {}),
    await viewer.refusal('DELETE', 'files/a'),
  ];

  assert.deepEqual(new Set(refused), new Set(['403 FORBIDDEN']));
});

test('a program brings a file, has a program of the desktop change it, and takes it away', async () => {
  await using desk = await openDesk(sessionId, 'controller');
  const bytes = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => (index * 7) % 256));

  const written = await desk.send('PUT', 'files/work/in%20%C3%BC.bin', bytes);
  const launched = Launched.parse(
    await desk.ask('POST', 'launch', {
      command: [
        'xterm',
        '-T',
        'at work',
        '-e',
        'sh',
        '-c',
        'sha256sum < "work/in ü.bin" > work/out; mv work/out work/done; cat',
      ],
      waitMs: 20_000,
    }),
  );
  const { entries } = await until(
    'the work is done',
    async () => FolderList.parse(await desk.ask('GET', 'files/work/')),
    (list) => list.entries.some(({ name }) => name === 'done'),
  );
  const answer = await desk.send('GET', 'files/work/in%20%C3%BC.bin');
  const fetched = Buffer.from(await answer.arrayBuffer());
  const done = await desk.send('GET', 'files/work/done');
  const closed = await desk.ask('POST', `windows/${launched.window?.id}/close`);
  const removed = await desk.send('DELETE', 'files/work/in%20%C3%BC.bin');

  expect(await written.json()).toMatchObject({ name: 'in ü.bin', kind: 'file', size: bytes.length });
  assert.equal(launched.window?.title, 'at work');
  expect(entries.find(({ name }) => name === 'in ü.bin')).toMatchObject({ size: bytes.length });
  assert.ok(fetched.equals(bytes));
  assert.equal((await done.text()).slice(0, 64), createHash('sha256').update(bytes).digest('hex'));
  assert.equal(answer.headers.get('content-disposition'), 'attachment');
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  assert.deepEqual(closed, { closed: true });
  assert.equal(removed.status, 204);
  assert.equal(await desk.refusal('GET', 'files/work/in%20%C3%BC.bin'), '404 NOT_FOUND');
  assert.equal(await desk.refusal('GET', 'files/..%2Fspec.json'), '400 BAD_REQUEST');
  assert.equal(await desk.refusal('GET', 'files/work'), '409 CONFLICT');
  const { audit } = await house.callApi('GET', '/api/v1/audit?limit=50', Audit);
  const actions = audit.filter(({ actor }) => actor === `access:${desk.accessId}`).map(({ action }) => action);
  for (const action of ['file.written', 'program.launched', 'file.read', 'file.removed'])
    assert.ok(actions.includes(action), action);
  assert.doesNotMatch(JSON.stringify(audit), /sha256sum/);
});

test('in a browser a program opens a page of the home, pastes into it, and reads what is copied there', async () => {
  // What a session shows where nothing else is ordered.
  const order = { audio: false, screen: { width: 800, height: 600 } };
  const { id: browserId } = await house.callApi('POST', '/api/v1/sessions?wait=ready', Started, order);
  await using desk = await openDesk(browserId, 'controller');
  const titled = (title: string) =>
    until(
      `a window is called ${title}`,
      async () => WindowList.parse(await desk.ask('GET', 'windows')).windows,
      (windows) => windows.some((window) => window.title.startsWith(title)),
    );

  await desk.send('PUT', 'files/page.html', Buffer.from(PAGE));
  await titled('');
  await desk.ask('POST', 'open', { target: 'page.html' });
  await titled('waiting');
  await desk.send('PUT', 'clipboard', JSON.stringify({ text: 'Grüße €' }));
  await desk.act([{ type: 'key', keys: 'ctrl+v' }]);
  await titled('got Grüße €');
  await desk.act([
    // Behind Shift on a keyboard; a program only names them.
    { type: 'type', text: SIGNS },
    { type: 'key', keys: 'ctrl+a' },
    { type: 'key', keys: 'ctrl+c' },
  ]);

  await until(
    'the text is on the clipboard',
    () => desk.ask('GET', 'clipboard'),
    (clipboard) => JSON.stringify(clipboard) === JSON.stringify({ text: `Grüße €${SIGNS}` }),
  );
});

test('while somebody else drives, nothing on the screen is changed by tools; windows and files go on', async () => {
  await using driving = await openDesk(sessionId, 'controller');
  await using desk = await openDesk(sessionId, 'controller');
  await driving.act([{ type: 'move', x: 10, y: 10 }]);
  const [window] = WindowList.parse(await desk.ask('GET', 'windows')).windows;

  const refused = [
    await desk.refusal('POST', `windows/${window?.id}/focus`),
    await desk.refusal('POST', `windows/${window?.id}/move`, { x: 1, y: 1 }),
    await desk.refusal('POST', 'launch', { command: ['xterm'] }),
    await desk.refusal('POST', 'open', { target: 'https://example.com' }),
    await desk.refusal('PUT', 'clipboard', { text: 'x' }),
  ];
  await desk.send('PUT', 'files/note', Buffer.from('still'));
  await driving.ask('DELETE', 'lease');
  const moved = await desk.ask('POST', `windows/${window?.id}/move`, { x: 30, y: 40 });

  assert.deepEqual(new Set(refused), new Set(['409 CONTROL_TAKEN']));
  expect(DesktopWindow.parse(moved)).toMatchObject({ x: 30, y: 40 });
  assert.equal(await readFile(join(await folderOf(house, sessionId), 'home', 'note'), 'utf8'), 'still');
});

test('what is under way ends with the access, and a paused session is told as paused', async () => {
  await using desk = await openDesk(sessionId, 'controller');
  const waiting = desk.refusal('POST', 'launch', { command: ['sleep', '1000'], waitMs: 60_000 });
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(Buffer.alloc(1000)),
  });
  const uploading = desk.send('PUT', 'files/endless', endless).then(({ status }) => status, String);
  await until(
    'the upload is under way',
    async () => FolderList.parse(await desk.ask('GET', 'files/')).entries,
    (entries) => entries.some(({ name, size }) => name.startsWith('.nekogate-upload') && size > 0),
  );

  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}/access/${desk.accessId}`, z.unknown());
  assert.match(await waiting, /ACCESS_REVOKED/);
  assert.equal(await uploading, 403);
  await using other = await openDesk(sessionId, 'owner');
  await until(
    'nothing is left of the upload',
    async () => FolderList.parse(await other.ask('GET', 'files/')).entries,
    (entries) => !entries.some(({ name }) => name.startsWith('.nekogate-upload')),
  );
  await house.callApi('POST', `/api/v1/sessions/${sessionId}/pause?wait=ready`, z.unknown());
  const paused = await other.refusal('GET', 'windows');
  await house.callApi('POST', `/api/v1/sessions/${sessionId}/resume?wait=ready`, z.unknown());

  assert.equal(paused, '409 SESSION_NOT_RUNNING');
  assert.equal(WindowList.parse(await other.ask('GET', 'windows')).windows.length, 1);
});

/** One access's calls; it is revoked when disposed of, and has the controls no more. */
interface Desk extends AsyncDisposable {
  accessId: string;
  /** Resolves with the JSON of an answer. @throws when it is a failure */
  ask(method: string, path: string, body?: object): Promise<unknown>;
  /** Resolves with status and code of a failure, or the status alone. */
  refusal(method: string, path: string, body?: object): Promise<string>;
  send(method: string, path: string, body?: BodyInit): Promise<Response>;
  /** @throws when not all of it was done */
  act(actions: object[]): Promise<void>;
}

async function openDesk(id: string, role: Role): Promise<Desk> {
  const { id: accessId, token } = await grant(house, id, role);
  const send: Desk['send'] = (method, path, body) =>
    fetch(`${house.gateway.url}/api/v1/sessions/${id}/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(typeof body === 'string' && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body }),
      ...(body instanceof ReadableStream && { duplex: 'half' }),
    });
  const encoded = (body: object | undefined): string | undefined => body && JSON.stringify(body);
  const ask: Desk['ask'] = async (method, path, body) => {
    const response = await send(method, path, encoded(body));
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${text}`);
    return JSON.parse(text);
  };
  return {
    accessId,
    ask,
    send,
    refusal: async (method, path, body) => {
      const response = await send(method, path, encoded(body));
      const text = await response.text();
      return response.ok ? String(response.status) : `${response.status} ${Problem.parse(JSON.parse(text)).code}`;
    },
    act: async (actions) => {
      const answer = z
        .object({ ok: z.boolean() })
        .loose()
        .parse(await ask('POST', 'computer', { actions }));
      assert.ok(answer.ok, JSON.stringify(answer));
    },
    [Symbol.asyncDispose]: async () => {
      await house.callApi('DELETE', `/api/v1/sessions/${id}/access/${accessId}`, z.unknown());
    },
  };
}
