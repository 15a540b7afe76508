// A program at a real desktop, on every streamer that this machine has, by each way that input can go.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { test } from 'vitest';
import { WebSocket } from 'ws';
import { ADMIN_PASSWORD, openDesktop, SILENT, type OpenedDesktop } from '../harness/desktop.ts';
import { NekoClient } from '../harness/neko-client.ts';
import { listStreamers } from '../harness/streamers.ts';
import { xauthorityOf } from '../../src/desktop/environment.ts';
import { XDisplay } from '../../src/neko/embedded/x11.ts';
import { Driver } from '../../src/computer/driver.ts';
import { Seat } from '../../src/computer/seat.ts';

const ways = listStreamers().flatMap((streamer) =>
  (['socket', 'channel'] as const).map((path) => ({ kind: streamer.kind, streamer, path })),
);
const NEVER = new AbortController().signal;

test.for(ways)('what is known to be executed is executed ($kind, $path)', async ({ streamer, path }) => {
  await using opened = await openDesktop({ app: ['xterm'] }, { streamer });
  await using display = await openDisplay(opened);
  await using program = await openDriver(opened, path);
  const { driver } = program;

  for (const x of [0, 1, 639, 300]) {
    await driver.perform([{ type: 'move', x, y: Math.floor(x / 2) }], NEVER);
    assert.deepEqual(await pointerOf(display), { x, y: Math.floor(x / 2), mask: 0 });
  }
  await driver.perform([{ type: 'button', down: true, button: 1 }], NEVER);
  const { mask } = await pointerOf(display);
  await driver.perform([{ type: 'button', down: false, button: 1 }], NEVER);

  assert.equal(mask, 0x100);
  assert.deepEqual(await driver.findPointer(NEVER), { x: 300, y: 150 });
});

test.for(listStreamers().map((streamer) => ({ kind: streamer.kind, streamer })))(
  'where the pointer is can be asked by who drives without having moved it, but not while it holds something ($kind)',
  async ({ streamer }) => {
    await using opened = await openDesktop({ app: ['xterm'] }, { streamer });
    await using display = await openDisplay(opened);
    await using program = await openDriver(opened, 'socket');
    const { driver } = program;
    const { x, y } = await pointerOf(display);
    const key = (down: boolean) => ({ type: 'key', down, keysym: 0xffe1 }) as const;

    await driver.perform([key(true)], NEVER);
    await assert.rejects(driver.findPointer(NEVER), { code: 'CONFLICT' });
    await driver.perform([key(false)], NEVER);
    const first = await driver.findPointer(NEVER);
    const again = await driver.findPointer(AbortSignal.abort());

    assert.deepEqual(
      [first, again],
      [
        { x, y },
        { x, y },
      ],
    );
    assert.equal(driver.stand, 'driving');
  },
);

test.for(ways)(
  'who asks for the controls gets them, and who has them keeps them ($kind, $path)',
  async ({ streamer, path }) => {
    await using opened = await openDesktop({ app: ['xterm'] }, { streamer });
    await using program = await openDriver(opened, path);
    await using person = await NekoClient.login(baseUrlOf(opened), ADMIN_PASSWORD, 'Ann');
    await person.connect();
    await program.driver.perform([{ type: 'move', x: 1, y: 1 }], NEVER);

    person.send('control/request');
    await person.next('control/host', ({ payload }) => !payload.has_host);
    person.send('control/request');
    await person.next('control/host', ({ payload }) => payload.host_id === person.id);

    await assert.rejects(program.driver.perform([{ type: 'move', x: 2, y: 2 }], NEVER), {
      code: 'CONTROL_TAKEN',
      message: /Ann/,
    });
    person.send('control/release');
    await person.next('control/host', ({ payload }) => !payload.has_host);
    await person.settle();
    await program.driver.perform([{ type: 'move', x: 3, y: 3 }], NEVER);
  },
);

test.for(ways)('a login that ends under a program ends what it does ($kind, $path)', async ({ streamer, path }) => {
  await using opened = await openDesktop({ app: ['xterm'] }, { streamer });
  await using program = await openDriver(opened, path);
  await program.driver.perform([{ type: 'move', x: 1, y: 1 }], NEVER);

  await program.login.call('POST', '/logout');

  assert.equal((await program.driver.closed).code, 'AGENT_OFFLINE');
  await assert.rejects(program.driver.perform([{ type: 'move', x: 2, y: 2 }], NEVER), { code: 'AGENT_OFFLINE' });
});

interface Program extends AsyncDisposable {
  driver: Driver;
  login: NekoClient;
}

async function openDriver(opened: OpenedDesktop, path: 'socket' | 'channel'): Promise<Program> {
  await using opening = new AsyncDisposableStack();
  const login = opening.use(await NekoClient.login(baseUrlOf(opened), ADMIN_PASSWORD, 'program'));
  const socket = new WebSocket(`${baseUrlOf(opened).replace('http', 'ws')}/api/ws?token=${login.token}`);
  // Not before it is open, when it has no effect, nor later, when the first frame may have passed.
  socket.once('open', () => socket.pause());
  await once(socket, 'open');
  const driver = opening.use(await Driver.open({ seat: await Seat.open(socket, SILENT), path }, NEVER));
  const owned = opening.move();
  return { driver, login, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

function baseUrlOf({ plan }: OpenedDesktop): string {
  return `http://127.0.0.1:${plan.order.ports.http}`;
}

async function openDisplay({ desktop, plan }: OpenedDesktop): Promise<XDisplay> {
  const authority = await readFile(xauthorityOf(plan.environment.folder));
  return XDisplay.open(desktop.state.display ?? '', () => undefined, authority.subarray(-16));
}

/** Where the pointer is, as the X server has it, and what is down. */
async function pointerOf(display: XDisplay): Promise<{ x: number; y: number; mask: number }> {
  const { client, root } = display;
  const { rootX, rootY, keyMask } = await display.ask<{ rootX: number; rootY: number; keyMask: number }>((done) =>
    client.QueryPointer(root, done),
  );
  return { x: rootX, y: rootY, mask: keyMask };
}
