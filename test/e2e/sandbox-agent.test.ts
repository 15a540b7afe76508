// sandbox-agent's own client from npm, unchanged, at a session of ours: each of its calls for desktops.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { SandboxAgent, SandboxAgentError } from 'sandbox-agent';
import sharp from 'sharp';
import { afterAll, beforeAll, test } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { grant, openHouse, startDesktop, until, type House } from '../harness/house.ts';
import { openProgram } from '../harness/program.ts';
import { heldOn, openDisplay, openProbedDesktop, type ProbedDesktop } from '../harness/viewer.ts';
import type { Role } from '../../src/protocol/session.ts';

const SHIFT_MASK = 1;
const RIGHT_BUTTON_MASK = 1 << 10;
const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
});

let owned: AsyncDisposableStack;
let house: House;
let desktop: ProbedDesktop;
let base: string;
/** Another session, which the last test ends. */
let otherId: string;
let sdk: SandboxAgent;
beforeAll(async () => {
  await using opening = new AsyncDisposableStack();
  house = opening.use(await openHouse());
  [desktop, otherId] = await Promise.all([openProbedDesktop(house), startDesktop(house, ['xterm'])]);
  opening.use(desktop);
  base = baseOf(desktop.sessionId);
  sdk = await connectAs('controller');
  owned = opening.move();
});
afterAll(async () => {
  await sdk.dispose();
  await owned.disposeAsync();
});

test('it finds the desktop active, with its true size, and starting it again changes nothing', async () => {
  const status = await sdk.getDesktopStatus();
  const started = await sdk.startDesktop({ width: 800, height: 600, dpi: 96, streamVideoCodec: 'vp8' });

  assert.equal((await sdk.getHealth()).status, 'ok');
  assert.equal(status.state, 'active');
  assert.deepEqual(status.resolution, { width: 800, height: 600, dpi: 96 });
  assert.deepEqual(started, status);
  await failsAs(sdk.startDesktop({ width: 1440, height: 900 }), 400, 'desktop_invalid_action', /width .* is 800/);
  await failsAs(sdk.startDesktop({ stateDir: '/tmp/x' }), 400, 'desktop_invalid_action', /stateDir/);
  await failsAs(sdk.startDesktop({ recordingFps: 10 }), 400, 'desktop_invalid_action', /recordingFps/);
});

test('screenshots come in each format, scaled, of a part, and with the pointer by either name of the option', async () => {
  await sdk.moveDesktopMouse({ x: 400, y: 500 });
  const whole = await sharp(await sdk.takeDesktopScreenshot()).metadata();
  const half = await sharp(await sdk.takeDesktopScreenshot({ format: 'jpeg', scale: 0.5, quality: 50 })).metadata();
  const part = await sharp(
    await sdk.takeDesktopRegionScreenshot({ x: 10, y: 20, width: 30, height: 40, format: 'webp' }),
  ).metadata();
  const around = { x: 390, y: 490, width: 40, height: 40 };
  const bare = await sdk.takeDesktopRegionScreenshot(around);
  const withCursor = await sdk.takeDesktopRegionScreenshot({ ...around, showCursor: true });
  const alsoWithCursor = await call('GET', 'screenshot/region?x=390&y=490&width=40&height=40&show_cursor=true');

  assert.partialDeepStrictEqual(whole, { format: 'png', width: 800, height: 600 });
  assert.partialDeepStrictEqual(half, { format: 'jpeg', width: 400, height: 300 });
  assert.partialDeepStrictEqual(part, { format: 'webp', width: 30, height: 40 });
  assert.notDeepEqual(withCursor, bare);
  assert.equal(alsoWithCursor.headers.get('content-type'), 'image/png');
  assert.deepEqual(new Uint8Array(await alsoWithCursor.arrayBuffer()), withCursor);
});

test('the mouse moves, clicks, drags and scrolls, and each call says where the pointer is', async () => {
  desktop.forget();

  assert.partialDeepStrictEqual(await sdk.moveDesktopMouse({ x: 0, y: 0 }), { x: 0, y: 0 });
  assert.partialDeepStrictEqual(await sdk.getDesktopMousePosition(), { x: 0, y: 0 });
  assert.partialDeepStrictEqual(await sdk.clickDesktop({ x: 220, y: 330, button: 'right', clickCount: 1 }), {
    x: 220,
    y: 330,
  });
  await desktop.untilEvent(({ type, button, x, y }) => type === 'mouseup' && button === 2 && x === 220 && y === 330);
  assert.partialDeepStrictEqual(await sdk.scrollDesktop({ x: 300, y: 300, deltaY: 2 }), { x: 300, y: 300 });
  assert.ok(((await desktop.untilEvent(({ type }) => type === 'wheel')).deltaY ?? 0) > 0);
  assert.partialDeepStrictEqual(await sdk.dragDesktopMouse({ startX: 100, startY: 210, endX: 220, endY: 230 }), {
    x: 220,
    y: 230,
  });
  await desktop.untilEvent(({ type, x, y }) => type === 'mousedown' && x === 100 && y === 210);
  await desktop.untilEvent(({ type, x, y }) => type === 'mouseup' && x === 220 && y === 230);
});

test('a button and a key stay down until they are let go', async () => {
  await using display = await openDisplay(house, desktop.sessionId);

  assert.partialDeepStrictEqual(await sdk.mouseDownDesktop({ x: 50, y: 60, button: 'right' }), { x: 50, y: 60 });
  const withButton = await heldOn(display);
  assert.partialDeepStrictEqual(await sdk.mouseUpDesktop({ button: 'right' }), { x: 50, y: 60 });
  const without = await heldOn(display);
  await sdk.keyDownDesktop({ key: 'Shift_L' });
  const withShift = await heldOn(display);
  await sdk.keyUpDesktop({ key: 'Shift_L' });

  assert.equal(withButton & RIGHT_BUTTON_MASK, RIGHT_BUTTON_MASK);
  assert.equal(without & RIGHT_BUTTON_MASK, 0);
  assert.equal(withShift & SHIFT_MASK, SHIFT_MASK);
  assert.equal((await heldOn(display)) & SHIFT_MASK, 0);
  await failsAs(sdk.mouseDownDesktop({ x: 5 }), 400, 'desktop_invalid_action', /x and y/);
});

test('text and chords arrive, with and without pauses', async () => {
  await sdk.clickDesktop({ x: 400, y: 300 });

  await sdk.typeDesktopText({ text: 'Grüße ' });
  await sdk.typeDesktopText({ text: 'bald', delayMs: 5 });
  assert.equal(await desktop.untilValue('Grüße bald'), 'Grüße bald');
  await sdk.pressDesktopKey({ key: 'a', modifiers: { ctrl: true } });
  await sdk.pressDesktopKey({ key: 'BackSpace' });
  assert.equal(await desktop.untilValue(''), '');
  await sdk.pressDesktopKey({ key: 'shift+x' });
  assert.equal(await desktop.untilValue('X'), 'X');
});

test('windows are listed, and one that was launched is moved, sized and brought to the front', async () => {
  const probe = await sdk.getDesktopFocusedWindow();
  const {
    pid,
    processId,
    windowId = '',
  } = await sdk.launchDesktopApp({
    app: 'xterm',
    args: ['-T', 'launched', '-e', 'cat'],
    wait: true,
  });

  assert.ok(typeof pid === 'number' && typeof windowId === 'string');
  assert.equal(processId, String(pid));
  const { windows } = await sdk.listDesktopWindows();
  assert.deepEqual(new Set(windows.map(({ title }) => title)), new Set([probe.title, 'launched']));
  assert.partialDeepStrictEqual(await sdk.moveDesktopWindow(windowId, { x: 200, y: 150 }), { x: 200, y: 150 });
  const { width, height } = await sdk.resizeDesktopWindow(windowId, { width: 400, height: 300 });
  assert.ok(Math.abs(width - 400) < 20 && Math.abs(height - 300) < 20);
  assert.equal((await sdk.focusDesktopWindow(probe.id)).isActive, true);
  assert.equal((await sdk.getDesktopFocusedWindow()).id, probe.id);
  const { display, resolution } = await sdk.getDesktopDisplayInfo();
  assert.match(display, /^:\d+$/);
  assert.deepEqual(resolution, { width: 800, height: 600, dpi: 96 });
  assert.partialDeepStrictEqual(await sdk.getDesktopStatus(), { display, windows: [{ title: probe.title }, {}] });

  // A terminal whose program ends is gone, and so is its window.
  await sdk.focusDesktopWindow(windowId);
  await sdk.pressDesktopKey({ key: 'ctrl+c' });
  const gone = await until(
    'the terminal is gone',
    () => sdk.listDesktopWindows(),
    (list) => list.windows.length === 1,
  );
  assert.equal(gone.windows[0]?.id, probe.id);
  await failsAs(sdk.focusDesktopWindow(windowId), 404, 'window_not_found', /no window/);
  await failsAs(sdk.launchDesktopApp({ app: 'no-such-program' }), 404, 'app_not_found', /no-such-program/);
});

test('the clipboard is written and read, and what is on it can be pasted', async () => {
  await sdk.clickDesktop({ x: 400, y: 300 });
  // The window manager gives a window the keys a moment after the click.
  await until(
    'the window of the text has the keys',
    () => sdk.listDesktopWindows(),
    ({ windows }) => windows.some(({ isActive }) => isActive),
  );
  await sdk.pressDesktopKey({ key: 'ctrl+a' });
  await until(
    'the browser has told what is selected, which it does a moment after the key',
    () => sdk.getDesktopClipboard({ selection: 'primary' }),
    (selected) => selected.text === 'X',
  );

  await sdk.setDesktopClipboard({ text: 'aus der Ablage ✓' });
  await sdk.setDesktopClipboard({ text: 'selected', selection: 'primary' });
  assert.deepEqual(await sdk.getDesktopClipboard(), { text: 'aus der Ablage ✓', selection: 'clipboard' });
  assert.deepEqual(await sdk.getDesktopClipboard({ selection: 'primary' }), { text: 'selected', selection: 'primary' });
  await sdk.pressDesktopKey({ key: 'v', modifiers: { ctrl: true } });
  assert.equal(await desktop.untilValue('aus der Ablage ✓'), 'aus der Ablage ✓');
  await sdk.setDesktopClipboard({ text: 'both', selection: 'both' });
  assert.equal((await sdk.getDesktopClipboard({ selection: 'primary' })).text, 'both');
  await failsAs(sdk.getDesktopClipboard({ selection: 'other' }), 400, 'desktop_invalid_action', /selection/);
});

test('an address is opened in the desktop', async () => {
  const opened = await sdk.openDesktopTarget({ target: `${house.gateway.url}/healthz` });
  const { windows } = await until(
    'its window is there',
    () => sdk.listDesktopWindows(),
    (list) => list.windows.some(({ title }) => title.includes('healthz')),
  );

  assert.equal(typeof opened.pid, 'number');
  assert.equal(windows.length, 2);
});

test('the screen is recorded to an MP4 file, one recording at a time', async () => {
  const started = await sdk.startDesktopRecording({ fps: 10 });
  await failsAs(sdk.startDesktopRecording(), 409, 'conflict', /being made/);
  await failsAs(sdk.downloadDesktopRecording(started.id), 409, 'conflict', /still being made/);
  await failsAs(sdk.deleteDesktopRecording(started.id), 409, 'conflict', /still being made/);
  const stopped = await sdk.stopDesktopRecording();

  assert.deepEqual([started.status, started.endedAt], ['recording', null]);
  assert.partialDeepStrictEqual(stopped, { id: started.id, status: 'completed', startedAt: started.startedAt });
  assert.deepEqual(await sdk.getDesktopRecording(started.id), stopped);
  assert.deepEqual((await sdk.listDesktopRecordings()).recordings, [stopped]);
  const file = await sdk.downloadDesktopRecording(started.id);
  assert.equal(file.byteLength, stopped.bytes);
  assert.equal(Buffer.from(file.subarray(4, 8)).toString(), 'ftyp');
  await sdk.deleteDesktopRecording(started.id);
  assert.deepEqual((await sdk.listDesktopRecordings()).recordings, []);
  await failsAs(sdk.getDesktopRecording(started.id), 404, 'not_found', /recording/);
  await failsAs(sdk.stopDesktopRecording(), 409, 'conflict', /nothing is recorded/);
});

test('what can not be done is refused in its words', async () => {
  await sdk.moveDesktopMouse({ x: 77, y: 78 });

  await failsAs(sdk.moveDesktopMouse({ x: 800, y: 0 }), 400, 'desktop_invalid_action', /outside/);
  await failsAs(sdk.pressDesktopKey({ key: 'nokey!' }), 400, 'desktop_invalid_action', /nokey!/);
  await failsAs(
    sdk.takeDesktopRegionScreenshot({ x: 790, y: 0, width: 20, height: 20 }),
    400,
    'desktop_invalid_action',
    /inside/,
  );
  await failsAs(sdk.takeDesktopScreenshot({ scale: 7 }), 400, 'desktop_invalid_action', /scale/);
  await failsAs(
    sdk.typeDesktopText({ text: 'x'.repeat(20_000), delayMs: 1000 }),
    400,
    'desktop_invalid_action',
    /delayMs/,
  );
  await failsAs(sdk.listAgents(), 404, 'not_found', /only the desktop/);
  assert.partialDeepStrictEqual(await sdk.getDesktopMousePosition(), { x: 77, y: 78 });
});

test('hostile calls are refused in its words, and nothing is done', async () => {
  const { token: foreign } = await grant(house, otherId, 'controller');
  const told = async (answer: Promise<Response>): Promise<string> => {
    const { status, headers, problem } = await problemOf(await answer);
    assert.equal(headers.get('content-type'), 'application/problem+json');
    assert.equal(problem.type, `urn:sandbox-agent:error:${problem.code}`);
    assert.equal(problem.status, status);
    return `${status} ${problem.code}`;
  };
  const post = (path: string, body: string, type = 'application/json'): Promise<Response> =>
    call('POST', path, { body, headers: { 'content-type': type } });

  assert.equal(await told(post('mouse/move', '{"x":1,')), '400 invalid_request');
  assert.equal(await told(post('mouse/move', '{"x":1}')), '400 desktop_invalid_action');
  assert.equal(await told(post('mouse/move', '{"x":"1","y":2}')), '400 desktop_invalid_action');
  assert.equal(await told(post('mouse/move', '{"x":1,"y":2,"z":3}')), '400 desktop_invalid_action');
  assert.equal(
    await told(post('mouse/move', 'x=1', 'application/x-www-form-urlencoded')),
    '415 unsupported_media_type',
  );
  assert.equal(await told(call('GET', 'screenshot?scale=')), '400 desktop_invalid_action');
  assert.equal(await told(call('GET', 'screenshot?cursor=true')), '400 desktop_invalid_action');
  assert.equal(await told(call('GET', 'screenshot/region?x=&y=1&width=2&height=2')), '400 desktop_invalid_action');
  assert.equal(await told(call('GET', 'status', { token: '' })), '401 token_invalid');
  assert.equal(await told(call('GET', 'status', { token: 'wrong' })), '401 token_invalid');
  assert.equal(await told(call('GET', `status?access_token=${foreign}`, { token: '' })), '401 token_invalid');
  assert.equal(await told(call('POST', 'mouse/move', { token: foreign })), '403 permission_denied');
  assert.equal(await told(call('GET', 'stream/signaling')), '404 not_found');
});

test('who may only watch sees and does not drive, and who drives is told where it is somebody else', async () => {
  const watching = await connectAs('viewer');
  const other = await openProgram(house, desktop.sessionId, 'controller');
  await sdk.moveDesktopMouse({ x: 12, y: 34 });
  await sdk.takeDesktopScreenshot();

  const seen = await watching.takeDesktopScreenshot({ format: 'jpeg' });
  assert.equal((await sharp(seen).metadata()).width, 800);
  assert.partialDeepStrictEqual(await watching.getDesktopMousePosition(), { x: 12, y: 34 });
  await failsAs(watching.moveDesktopMouse({ x: 1, y: 1 }), 403, 'permission_denied', /only watch/);
  await failsAs(watching.getDesktopClipboard(), 403, 'permission_denied', /clipboard/);
  await failsAs(watching.startDesktopRecording(), 403, 'permission_denied', /recordings/);
  await failsAs(watching.launchDesktopApp({ app: 'xterm' }), 403, 'permission_denied', /only watch/);
  await failsAs(watching.stopDesktop(), 403, 'permission_denied', /owner/);
  await watching.dispose();

  assert.equal((await other.act([{ type: 'move', x: 1, y: 1 }])).error?.code, 'CONTROL_TAKEN');
  const third = await connectAs('controller');
  const refused = await failsAs(third.clickDesktop({ x: 1, y: 1 }), 409, 'desktop_control_taken', /drives/);
  assert.partialDeepStrictEqual(refused, { holder: { kind: 'program', name: 'test-controller' }, retryable: true });
  await third.dispose();
});

test('streams are there as long as the desktop is, and a stop ends it only for an owner', async () => {
  const sessionId = otherId;
  const owner = await connectAs('owner', sessionId);
  const { token } = await grant(house, sessionId, 'viewer');
  assert.deepEqual(await owner.startDesktopStream(), { active: true });
  assert.deepEqual(await owner.getDesktopStreamStatus(), { active: true });
  assert.deepEqual(await owner.stopDesktopStream(), { active: true });
  assert.equal(
    owner.buildDesktopStreamWebSocketUrl({ accessToken: 'T' }),
    `${baseOf(sessionId).replace('http', 'ws')}/v1/desktop/stream/signaling?access_token=T`,
  );

  assert.equal((await callApi('POST', sessionId, 'pause')).state, 'paused');
  assert.equal((await owner.getDesktopStatus()).state, 'inactive');
  await failsAs(owner.takeDesktopScreenshot(), 409, 'desktop_runtime_inactive', /paused/);
  await failsAs(owner.startDesktopStream(), 409, 'desktop_runtime_inactive', /paused/);
  assert.equal((await callApi('POST', sessionId, 'resume')).state, 'running');
  assert.equal((await owner.stopDesktop()).state, 'inactive');

  assert.deepEqual(await owner.getDesktopStreamStatus(), { active: false });
  await failsAs(owner.startDesktop(), 409, 'desktop_runtime_inactive', /stopped/);
  assert.deepEqual(await dial(sessionId, token), { status: 409, code: 'desktop_runtime_inactive' });
  assert.deepEqual(await dial(desktop.sessionId, token), { status: 403, code: 'permission_denied' });
  assert.deepEqual(await dial(desktop.sessionId, ''), { status: 401, code: 'token_invalid' });
  await owner.dispose();
});

function baseOf(sessionId: string): string {
  return `${house.gateway.url}/s/${sessionId}`;
}

async function connectAs(role: Role, sessionId = desktop.sessionId): Promise<SandboxAgent> {
  const { token } = await grant(house, sessionId, role);
  return await SandboxAgent.connect({ baseUrl: baseOf(sessionId), token });
}

/** One raw call under `/v1/desktop/`, with a controller's token where none is given. */
async function call(method: string, path: string, { token, body, headers }: RawCall = {}): Promise<Response> {
  const bearer = token ?? (await grant(house, desktop.sessionId, 'controller')).token;
  return await fetch(`${base}/v1/desktop/${path}`, {
    method,
    headers: { ...(bearer !== '' && { authorization: `Bearer ${bearer}` }), ...headers },
    ...(body !== undefined && { body }),
  });
}

interface RawCall {
  token?: string;
  body?: string;
  headers?: Record<string, string>;
}

async function problemOf(
  answer: Response,
): Promise<{ status: number; headers: Headers; problem: z.infer<typeof Problem> }> {
  return { status: answer.status, headers: answer.headers, problem: Problem.parse(await answer.json()) };
}

/** Resolves with the problem that its client was told. */
async function failsAs(attempt: Promise<unknown>, status: number, code: string, detail: RegExp): Promise<unknown> {
  const thrown = await attempt.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(thrown instanceof SandboxAgentError, `not refused: ${String(thrown)}`);
  const problem = Problem.parse(thrown.problem);
  assert.deepEqual([thrown.status, problem.code], [status, code]);
  assert.match(problem.detail, detail);
  return thrown.problem;
}

function callApi(method: 'POST', sessionId: string, action: string): Promise<{ state: string }> {
  return house.callApi(method, `/api/v1/sessions/${sessionId}/${action}`, z.object({ state: z.string() }));
}

/** The refusal of the stream's WebSocket. */
async function dial(sessionId: string, token: string): Promise<{ status: number; code: string }> {
  const url = `${baseOf(sessionId)}/v1/desktop/stream/signaling?access_token=${token}`;
  const socket = new WebSocket(url.replace('http', 'ws'));
  socket.on('error', () => undefined);
  const [, response] = z
    .tuple([z.unknown(), z.instanceof(IncomingMessage)])
    .parse(await once(socket, 'unexpected-response'));
  const { code } = Problem.parse(JSON.parse(await text(response)));
  return { status: response.statusCode ?? 0, code };
}
