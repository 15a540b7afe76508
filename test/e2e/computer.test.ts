// Programs see and drive a real desktop by the API, with the streamer that this machine has.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, paintedTerminal, pidOf, startDesktop, until, type House } from '../harness/house.ts';
import { colourOf, openProgram, outcomesOf, pictureOf } from '../harness/program.ts';

const LINE = `Hello WORLD {}[]~ "quoted" 'single' \\ | <tags> & 100% éßΩ漢€ ${'abcDEF 123 '.repeat(14)}`.slice(0, 200);
/** A screen full of letters, which no JPEG makes small. */
const NOISE = ['xterm', '-fullscreen', '-e', 'sh', '-c', 'base64 -w 0 /dev/urandom | head -c 200000; exec sleep 1000'];
/** What the gateway takes in one frame is a MiB. */
const FRAME_BASE64_LENGTH = (1024 * 1024 * 4) / 3;
const Nothing = z.unknown();
const Logins = z.object({ logins: z.array(z.object({ loginId: z.string() })) });

test('a program sees a desktop, clicks and types 200 characters, and finds pixels and a file changed', async () => {
  await using house = await openHouse();
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const program = await openProgram(house, await startDesktop(house, paintedTerminal(file)), 'controller');
  const look = async (): Promise<string> => colourOf(await program.act([{ type: 'screenshot' }]));
  await until('the terminal is blue', look, (colour) => colour === 'blue');

  const clicked = await program.act([
    { type: 'move', x: 300, y: 300 },
    { type: 'click', x: 400, y: 300 },
    { type: 'cursor_position' },
  ]);
  assert.deepEqual(outcomesOf(clicked), ['done', 'done', 'done']);
  assert.deepEqual(clicked.results[2]?.position, { x: 400, y: 300 });
  await until('the terminal is red', look, (colour) => colour === 'red');
  const typed = await program.act([
    { type: 'type', text: LINE },
    { type: 'key', keys: 'Return' },
  ]);
  assert.equal(typed.ok, true);
  await until('the terminal is green', look, (colour) => colour === 'green');

  assert.equal(LINE.length, 200);
  assert.equal(await readFile(file, 'utf8'), LINE);
});

test('pictures come as they are asked for, say where they are from, and their bytes only when they changed', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, paintedTerminal('/dev/null'));
  const program = await openProgram(house, sessionId, 'viewer');
  await until(
    'the terminal is blue',
    async () => colourOf(await program.act([{ type: 'screenshot' }])),
    (colour) => colour === 'blue',
  );

  const whole = await pictureOf(await program.act([{ type: 'screenshot' }]));
  const half = await pictureOf(await program.act([{ type: 'screenshot', format: 'webp', scale: 0.5 }]));
  const part = await pictureOf(
    await program.act([{ type: 'zoom', format: 'png', region: { x: 0, y: 0, width: 50, height: 40 } }], {
      space: { width: 400, height: 300 },
    }),
  );
  const again = await program.act([{ type: 'screenshot', ifChanged: whole.hash }]);

  assert.deepEqual([whole.format, whole.width, whole.height, whole.sessionId], ['jpeg', 800, 600, sessionId]);
  assert.deepEqual([half.format, half.width, half.height], ['webp', 400, 300]);
  assert.deepEqual([part.format, part.width, part.height], ['png', 100, 80]);
  assert.deepEqual(whole.screen, { width: 800, height: 600 });
  const [picture] = again.results.map((result) => result.picture);
  assert.deepEqual([picture?.hash, picture?.data], [whole.hash, undefined]);
});

test('a picture may be longer than one frame of the tunnel', async () => {
  await using house = await openHouse();
  const spec = { app: NOISE, audio: false, screen: { width: 1920, height: 1080 } };
  const { id } = await house.callApi('POST', '/api/v1/sessions?wait=ready', z.object({ id: z.string() }), spec);
  const program = await openProgram(house, id, 'viewer');

  const picture = await until(
    'the screen is full of letters',
    async () => pictureOf(await program.act([{ type: 'screenshot', quality: 100 }])),
    ({ data }) => (data?.length ?? 0) > FRAME_BASE64_LENGTH,
  );

  assert.deepEqual([picture.width, picture.height], [1920, 1080]);
});

test('zero is a coordinate, and places are of the picture that the program sees', async () => {
  await using house = await openHouse();
  const program = await openProgram(house, await startDesktop(house, ['xterm']), 'controller');
  const space = { width: 400, height: 300 };

  const first = await program.act([{ type: 'click', x: 0, y: 0 }, { type: 'cursor_position' }]);
  const last = await program.act([{ type: 'move', x: 399, y: 299 }, { type: 'cursor_position' }], { space });
  const whole = await program.act([{ type: 'cursor_position' }]);

  assert.deepEqual(first.results[1]?.position, { x: 0, y: 0 });
  assert.deepEqual(last.results[1]?.position, { x: 399, y: 299 });
  assert.deepEqual(whole.results[0]?.position, { x: 799, y: 599 });
});

test('what can not be done is refused before anything is done, and each action is told what became of it', async () => {
  await using house = await openHouse();
  const program = await openProgram(house, await startDesktop(house, ['xterm']), 'controller');
  const start = { type: 'move', x: 5, y: 6 };
  await program.act([start]);
  const tried = async (...actions: unknown[]): Promise<string[]> =>
    outcomesOf(await program.act([{ type: 'move', x: 50, y: 60 }, ...actions, { type: 'cursor_position' }]));

  assert.deepEqual(await tried({ type: 'click', x: 800, y: 0 }), ['skipped', 'OUT_OF_RANGE', 'skipped']);
  assert.deepEqual(await tried({ type: 'move', x: -1, y: 0 }), ['skipped', 'OUT_OF_RANGE', 'skipped']);
  assert.deepEqual(await tried({ type: 'key', keys: 'ctrl+Retrun' }), ['skipped', 'KEY_UNKNOWN', 'skipped']);
  assert.deepEqual(await tried({ type: 'fly' }), ['skipped', 'ACTION_INVALID', 'skipped']);
  assert.deepEqual(await tried({ type: 'click', x: 1 }), ['skipped', 'ACTION_INVALID', 'skipped']);
  const { results } = await program.act([{ type: 'cursor_position' }]);

  assert.deepEqual(results[0]?.position, { x: 5, y: 6 });
});

test('who may only watch looks, and is refused to drive', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const viewer = await openProgram(house, sessionId, 'viewer');
  const controller = await openProgram(house, sessionId, 'controller');
  await controller.act([{ type: 'move', x: 12, y: 34 }]);

  const looked = await viewer.act([{ type: 'wait', ms: 1 }, { type: 'screenshot' }, { type: 'cursor_position' }]);
  const drove = await viewer.act([{ type: 'screenshot' }, { type: 'click', x: 1, y: 1 }]);

  assert.deepEqual(outcomesOf(looked), ['done', 'done', 'done']);
  assert.deepEqual(looked.results[2]?.position, { x: 12, y: 34 });
  assert.deepEqual(outcomesOf(drove), ['skipped', 'FORBIDDEN']);
});

test('a program is refused while somebody else drives, and gives way to who asks', async () => {
  await using house = await openHouse();
  await using folder = await temporaryFolder();
  const file = join(folder.path, 'typed');
  const sessionId = await startDesktop(house, ['xterm', '-e', 'sh', '-c', 'stty raw -echo; cat > "$0"', file]);
  const program = await openProgram(house, sessionId, 'controller');
  await using person = await openPerson(house, sessionId);
  await person.drive();

  const refused = await program.act([{ type: 'click', x: 10, y: 10 }, { type: 'screenshot' }]);
  person.send('control/release');
  await until(
    'the program types',
    async () => {
      await program.act([{ type: 'type', text: '.' }]);
      return readFile(file, 'utf8').catch(() => '');
    },
    (text) => text !== '',
  );
  const typing = program.act([{ type: 'type', text: 'x'.repeat(20_000) }, { type: 'screenshot' }]);
  await until(
    'it is at the long text',
    () => readFile(file, 'utf8'),
    (text) => text.includes('x'),
  );
  await person.drive();

  assert.deepEqual(outcomesOf(refused), ['CONTROL_TAKEN', 'skipped']);
  assert.match(refused.error?.message ?? '', /test-controller/);
  assert.deepEqual(outcomesOf(await typing), ['CONTROL_LOST', 'skipped']);
});

test('an access that is revoked halfway ends what its program does, and says so', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const program = await openProgram(house, sessionId, 'controller');
  await program.act([{ type: 'move', x: 1, y: 1 }]);
  const waiting = program.act([
    { type: 'move', x: 2, y: 2 },
    { type: 'hold_key', keys: 'shift', ms: 60_000 },
    { type: 'screenshot' },
  ]);
  await until(
    'the program is at it',
    () =>
      openPerson(house, sessionId).then(async (person) => {
        await person[Symbol.asyncDispose]();
        return person.hasOtherDriver;
      }),
    (has) => has,
  );

  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}/access/${program.accessId}`, Nothing);

  assert.deepEqual(outcomesOf(await waiting), ['done', 'ACCESS_REVOKED', 'skipped']);
  await assert.rejects(program.act([{ type: 'screenshot' }]), /ACCESS_REVOKED/);
});

test('a session that is paused says so, and goes on when it is resumed', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const program = await openProgram(house, sessionId, 'controller');
  await program.act([{ type: 'move', x: 1, y: 1 }]);
  const waiting = program.act([{ type: 'wait', ms: 60_000 }, { type: 'screenshot' }]);
  const next = assert.rejects(program.act([{ type: 'click', x: 9, y: 9 }]), /SESSION_NOT_RUNNING/);

  await house.callApi('POST', `/api/v1/sessions/${sessionId}/pause?wait=ready`, Nothing);
  assert.deepEqual(outcomesOf(await waiting), ['SESSION_NOT_RUNNING', 'skipped']);
  await next;
  await assert.rejects(program.act([{ type: 'screenshot' }]), /SESSION_NOT_RUNNING/);
  await house.callApi('POST', `/api/v1/sessions/${sessionId}/resume?wait=ready`, Nothing);

  assert.equal((await program.act([{ type: 'move', x: 2, y: 2 }, { type: 'screenshot' }])).ok, true);
});

test('the calls of an access are one login, which its owners see and can end, and which comes back', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const program = await openProgram(house, sessionId, 'controller');
  const logins = async (): Promise<string[]> =>
    (await house.callApi('GET', `/api/v1/sessions/${sessionId}/logins`, Logins)).logins.map(({ loginId }) => loginId);

  await program.act([{ type: 'move', x: 1, y: 1 }]);
  await program.act([{ type: 'move', x: 2, y: 2 }]);
  const [loginId, ...more] = await logins();
  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}/logins/${loginId}`, Nothing);
  const kicked = await logins();
  const again = await program.act([{ type: 'move', x: 3, y: 3 }]);

  assert.deepEqual([more, kicked, again.ok], [[], [], true]);
  assert.notDeepEqual(await logins(), [loginId]);
});

test('a program goes on after the streamer was started anew', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const program = await openProgram(house, sessionId, 'controller');
  await program.act([{ type: 'move', x: 1, y: 1 }]);

  process.kill(await pidOf(house, sessionId, 'streamer'), 'SIGKILL');

  const again = await until(
    'it drives the new one',
    () => program.act([{ type: 'move', x: 4, y: 5 }, { type: 'cursor_position' }]).catch(() => undefined),
    (answer) => answer?.ok === true,
  );
  assert.deepEqual(again?.results[1]?.position, { x: 4, y: 5 });
});

interface Person extends AsyncDisposable {
  send(event: string): void;
  /** Asks for the controls until they are there. */
  drive(): Promise<void>;
  /** Whether somebody else had the controls when it came. */
  hasOtherDriver: boolean;
}

const Init = z.object({
  event: z.literal('system/init'),
  payload: z.object({ session_id: z.string(), control_host: z.object({ has_host: z.boolean() }) }),
});
const Host = z.object({ event: z.literal('control/host'), payload: z.object({ host_id: z.string().optional() }) });

/** Somebody in a viewer of their own, as far as the controls go. */
async function openPerson(house: House, sessionId: string): Promise<Person> {
  const { token } = await grant(house, sessionId, 'controller');
  const socket = new WebSocket(`${house.gateway.url.replace('http', 'ws')}/s/${sessionId}/api/ws?token=${token}`);
  let hostId: string | undefined;
  const init = Promise.withResolvers<z.infer<typeof Init>['payload']>();
  socket.on('message', (bytes: Buffer) => {
    const frame: unknown = JSON.parse(bytes.toString('utf8'));
    const first = Init.safeParse(frame).data;
    if (first) init.resolve(first.payload);
    const host = Host.safeParse(frame).data;
    if (host) hostId = host.payload.host_id;
  });
  await once(socket, 'open');
  const { session_id: id, control_host: before } = await init.promise;
  const send = (event: string): void => socket.send(JSON.stringify({ event }));
  return {
    send,
    hasOtherDriver: before.has_host,
    drive: async () => {
      await until(
        'the person drives',
        async () => {
          if (hostId !== id) send('control/request');
          return hostId;
        },
        (host) => host === id,
      );
    },
    [Symbol.asyncDispose]: async () => {
      socket.close();
      await once(socket, 'close');
    },
  };
}
