import { assert, test } from 'vitest';
import { until } from '../harness/house.ts';
import type { NekoClient } from '../harness/neko-client.ts';
import { fields } from './answers.ts';
import { describeRoom, takeControls } from './room.ts';
import { Terminal } from './terminal.ts';

const SHIFT = 0xffe1;

describeRoom('input over the WebSocket', { display: true }, (room) => {
  test('control/move puts the pointer there, 0 included', async () => {
    const client = await host();
    for (const [x, y] of [
      [300, 200],
      [0, 0],
      [1279, 719],
    ] as const) {
      await send(client, 'control/move', { x, y });

      const { x: atX, y: atY } = await room().desktop.pointer();
      assert.deepEqual([atX, atY], [x, y]);
    }
  });

  test.each([
    ['up', { delta_y: 2 }, ['+button 4', '-button 4', '+button 4', '-button 4']],
    ['down', { delta_y: -1 }, ['+button 5', '-button 5']],
    ['by delta_x 1 is button 6', { delta_x: 1 }, ['+button 6', '-button 6']],
    ['by delta_x -1 is button 7', { delta_x: -1 }, ['+button 7', '-button 7']],
    ['with the control key', { delta_y: 1, control_key: true }, ['+button 4 with Control', '-button 4 with Control']],
    ['as an old client says it, by x and y', { x: 0, y: 1 }, ['+button 4', '-button 4']],
  ])('control/scroll %s', async (_how, payload, expected) => {
    const client = await host();

    await send(client, 'control/scroll', payload);

    assert.deepEqual(await room().desktop.input(), expected);
    assert.equal((await room().desktop.pointer()).mask, 0);
  });

  test('control/buttonpress presses and releases, where the pointer is or at x and y', async () => {
    const client = await host();

    await send(client, 'control/buttonpress', { code: 3 });
    await send(client, 'control/buttonpress', { code: 1, x: 40, y: 50 });

    assert.deepEqual(await room().desktop.input(), ['+button 3', '-button 3', '+button 1', '-button 1']);
    const { x, y } = await room().desktop.pointer();
    assert.deepEqual([x, y], [40, 50]);
  });

  test('control/buttondown holds until control/buttonup; each at x and y where they are given', async () => {
    const client = await host();

    await send(client, 'control/buttondown', { code: 1, x: 10, y: 20 });
    const held = await room().desktop.pointer();
    await send(client, 'control/buttonup', { code: 1, x: 30, y: 40 });

    assert.deepEqual(await room().desktop.input(), ['+button 1', '-button 1']);
    assert.deepEqual([held.x, held.y, held.mask], [10, 20, 0x100]);
    const { x, y, mask } = await room().desktop.pointer();
    assert.deepEqual([x, y, mask], [30, 40, 0]);
  });

  test('control/keypress presses and releases, at x and y where they are given', async () => {
    const client = await host();

    await send(client, 'control/keypress', { keysym: 0x61 });
    await send(client, 'control/keypress', { keysym: 0xff0d, x: 70, y: 80 });

    assert.deepEqual(await room().desktop.input(), ['+a', '-a', '+Return', '-Return']);
    assert.equal((await room().desktop.pointer()).x, 70);
  });

  test('control/keydown holds until control/keyup', async () => {
    const client = await host();

    await send(client, 'control/keydown', { keysym: SHIFT });
    await send(client, 'control/keydown', { keysym: 0x41 });
    await send(client, 'control/keyup', { keysym: 0x41 });
    const held = await room().desktop.pointer();
    await send(client, 'control/keyup', { keysym: SHIFT });

    assert.deepEqual(await room().desktop.input(), ['+Shift', '+A', '-A', '-Shift']);
    assert.equal(held.mask, 1);
    assert.equal((await room().desktop.pointer()).mask, 0);
  });

  test('is pressed once and released once: a second press, and a release without one, do nothing', async () => {
    const client = await host();

    await send(client, 'control/keyup', { keysym: 0x62 });
    await send(client, 'control/keydown', { keysym: 0x62 });
    await send(client, 'control/keydown', { keysym: 0x62 });
    await send(client, 'control/keyup', { keysym: 0x62 });
    await send(client, 'control/keyup', { keysym: 0x62 });
    await send(client, 'control/buttonup', { code: 1 });

    assert.deepEqual(await room().desktop.input(), ['+b', '-b']);
  });

  test('control/keypress and buttonpress release what is held', async () => {
    const client = await host();

    await send(client, 'control/keydown', { keysym: SHIFT });
    await send(client, 'control/keypress', { keysym: 0x61 });

    assert.deepEqual(await room().desktop.input(), ['+Shift', '-Shift', '+a', '-a']);
  });

  test.each([
    ['control/cut', 'x'],
    ['control/copy', 'c'],
    ['control/paste', 'v'],
    ['control/select_all', 'a'],
  ])('%s presses Control and %s', async (event, key) => {
    const client = await host();

    await send(client, event, event === 'control/paste' ? {} : undefined);

    const input = await room().desktop.input();
    assert.deepEqual(input.slice(0, 2), ['+Control', `+${key}`]);
    assert.sameMembers(input.slice(2), ['-Control', `-${key}`]);
  });

  test('control/paste with text puts it on the clipboard first', async () => {
    const client = await host();

    await send(client, 'control/paste', { text: 'to paste' });

    assert.deepEqual((await room().desktop.input()).slice(0, 2), ['+Control', '+v']);
    assert.equal(fields((await client.call('GET', '/room/clipboard')).body)['text'], 'to paste');
  });

  test('touches without neko’s input driver do nothing', async () => {
    const client = await host();
    await send(client, 'control/move', { x: 11, y: 12 });

    await send(client, 'control/touchbegin', { touch_id: 1, x: 100, y: 100, pressure: 255 });
    await send(client, 'control/touchupdate', { touch_id: 1, x: 110, y: 110, pressure: 255 });
    await send(client, 'control/touchend', { touch_id: 1, x: 110, y: 110, pressure: 0 });

    assert.deepEqual(await room().desktop.input(), []);
    assert.equal((await room().desktop.pointer()).x, 11);
  });

  test('of who is not the host does nothing', async () => {
    const client = await host();
    await send(client, 'control/move', { x: 21, y: 22 });
    const other = await room().connected('other');

    await send(other, 'control/move', { x: 500, y: 500 });
    await send(other, 'control/keypress', { keysym: 0x61 });
    await send(other, 'control/buttonpress', { code: 1, x: 400, y: 400 });
    await send(other, 'control/scroll', { delta_y: 1 });

    assert.deepEqual(await room().desktop.input(), []);
    assert.equal((await room().desktop.pointer()).x, 21);
  });

  test('that is still held is released when the host lets go, closes, or loses the controls', async () => {
    const endings: ((client: NekoClient) => unknown)[] = [
      (client) => client.send('control/release'),
      (client) => client.socket?.close(1000),
      (client) => client.call('POST', '/room/control/release'),
      (client) => client.call('POST', '/room/control/reset'),
      (client) => client.call('POST', '/logout'),
    ];
    for (const ending of endings) {
      const watcher = await room().connected('watcher');
      const client = await host();
      await send(client, 'control/keydown', { keysym: SHIFT });
      await send(client, 'control/buttondown', { code: 1 });

      await ending(client);

      await watcher.next('control/host', ({ payload }) => !payload.has_host);
      // The X server may answer us before it reads what the streamer had written before.
      const input: string[] = [];
      await until(
        'both are released',
        async () => input.push(...(await room().desktop.input())),
        (length) => length >= 4,
      );
      assert.deepEqual(input, ['+Shift', '+button 1', '-button 1', '-Shift']);
      assert.equal((await room().desktop.pointer()).mask, 0);
      await room().leave();
    }
  });

  async function host(): Promise<NekoClient> {
    const client = await room().connected();
    await takeControls(client);
    await room().desktop.input();
    return client;
  }

  async function send(client: NekoClient, event: string, payload?: unknown): Promise<void> {
    client.send(event, payload);
    await client.settle();
  }
});

describeRoom('input over the data channel', { display: true }, (room) => {
  test('moves the pointer', async () => {
    const { media } = await driving();
    for (const [x, y] of [
      [640, 360],
      [0, 0],
      [1279, 719],
    ] as const) {
      media.input({ type: 'move', x, y });
      await media.settle();

      const { x: atX, y: atY } = await room().desktop.pointer();
      assert.deepEqual([atX, atY], [x, y]);
    }
  });

  test('presses and releases buttons 1, 2 and 3', async () => {
    const { media } = await driving();

    for (const button of [1, 2, 3]) for (const down of [true, false]) media.input({ type: 'button', down, button });
    await media.settle();

    assert.deepEqual(await room().desktop.input(), [
      '+button 1',
      '-button 1',
      '+button 2',
      '-button 2',
      '+button 3',
      '-button 3',
    ]);
  });

  test('scrolls both ways, with the control key or without', async () => {
    const { media } = await driving();

    media.input({ type: 'scroll', deltaX: 0, deltaY: 1, controlKey: false });
    media.input({ type: 'scroll', deltaX: -1, deltaY: -1, controlKey: false });
    media.input({ type: 'scroll', deltaX: 1, deltaY: 0, controlKey: true });
    await media.settle();

    assert.deepEqual(await room().desktop.input(), [
      '+button 4',
      '-button 4',
      '+button 5',
      '-button 5',
      '+button 7',
      '-button 7',
      '+button 6 with Control',
      '-button 6 with Control',
    ]);
    assert.equal((await room().desktop.pointer()).mask, 0);
  });

  test('scrolls as an old client says it, in four bytes', async () => {
    const { media } = await driving();

    media.sendBytes([0x02, 0, 4, 0, 0, 0, 1]);
    await media.settle();

    assert.deepEqual(await room().desktop.input(), ['+button 4', '-button 4']);
  });

  test('presses and releases keys', async () => {
    const { media } = await driving();

    for (const [keysym, down] of [
      [SHIFT, true],
      [0x41, true],
      [0x41, false],
      [SHIFT, false],
      [0x7a, true],
      [0x7a, false],
    ] as const)
      media.input({ type: 'key', down, keysym });
    await media.settle();

    assert.deepEqual(await room().desktop.input(), ['+Shift', '+A', '-A', '-Shift', '+z', '-z']);
  });

  test('takes touches, which do nothing without neko’s input driver', async () => {
    const { media } = await driving();

    for (const phase of ['begin', 'update', 'end'] as const)
      media.input({ type: 'touch', phase, touchId: 1, x: 100, y: 100, pressure: 200 });
    await media.settle();

    assert.deepEqual(await room().desktop.input(), []);
  });

  test('is done before the pong to a ping after it', async () => {
    const { media } = await driving();
    for (let x = 100; x < 150; x += 1) {
      media.input({ type: 'move', x, y: 50 });
      media.input({ type: 'button', down: true, button: 1 });
      media.input({ type: 'button', down: false, button: 1 });
      await media.settle();

      assert.equal((await room().desktop.pointer()).x, x);
    }
    assert.equal((await room().desktop.input()).length, 100);
  });

  test('is ignored unless the session is host, but for the ping; nothing tells the sender', async () => {
    const { media } = await driving();
    media.input({ type: 'move', x: 31, y: 32 });
    await media.settle();
    const other = await room().watching({ video: false, audio: false });
    await other.media.settle();
    const before = other.client.log.length;

    other.media.input({ type: 'move', x: 600, y: 600 });
    other.media.input({ type: 'key', down: true, keysym: 0x61 });
    other.media.input({ type: 'button', down: true, button: 1 });
    other.media.input({ type: 'scroll', deltaX: 0, deltaY: 1, controlKey: false });
    await other.media.settle();
    await other.client.settle();

    assert.deepEqual(await room().desktop.input(), []);
    assert.equal((await room().desktop.pointer()).x, 31);
    assert.deepEqual(
      other.client.log
        .slice(before)
        .map(({ event }) => event)
        .filter((event) => event !== 'session/state'),
      ['send/unicast'],
    );
  });

  test('is not taken from who has no host: the controls stay free', async () => {
    const { client, media } = await room().watching({ video: false, audio: false });

    media.input({ type: 'move', x: 600, y: 600 });
    await media.settle();

    assert.deepEqual((await client.call('GET', '/room/control')).body, { has_host: false });
  });

  test('survives what is too short or unknown', async () => {
    const { media } = await driving();

    for (const bytes of [[0x01], [0x01, 0, 4, 0], [0x03, 0, 4], [0x7f, 0, 0], [0xff, 1, 2, 3]]) media.sendBytes(bytes);
    await media.settle();

    assert.deepEqual(await room().desktop.input(), []);
  });

  async function driving(): ReturnType<ReturnType<typeof room>['driving']> {
    const driver = await room().driving();
    await room().desktop.input();
    return driver;
  }
});

describeRoom('the data channel’s output', { display: true }, (room) => {
  test('starts with the cursor’s image, then its position', async () => {
    const { media } = await room().watching({ video: false, audio: false });

    await media.until(() => media.outputs.length >= 2);

    assert.deepEqual(
      media.outputs.slice(0, 2).map(({ type }) => type),
      ['cursor-image', 'cursor-position'],
    );
    const [image] = media.outputs;
    assert.ok(image?.type === 'cursor-image');
    assert.equal(Buffer.from(image.png).subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
    const header = Buffer.from(image.png);
    assert.deepEqual([header.readUInt32BE(16), header.readUInt32BE(20)], [image.width, image.height]);
    assert.isBelow(image.hotX, image.width);
    assert.isBelow(image.hotY, image.height);
  });

  test('counts its header in the length: position 7, pong 19, image 11 and the PNG', async () => {
    const { media } = await room().watching({ video: false, audio: false });
    await media.settle();
    await media.until(() => media.outputs.length >= 3);

    for (const message of media.messages) assert.equal(message.readUInt16BE(1), message.length);
  });

  test('pongs with the ping’s clock and its own', async () => {
    const { media } = await room().watching({ video: false, audio: false });
    const now = Date.now();

    await media.settle(now);

    const pong = media.outputs.find((output) => output.type === 'pong');
    assert.ok(pong?.type === 'pong');
    assert.equal(pong.clientMs, now);
    assert.isBelow(Math.abs(pong.serverMs - now), 5000);
  });

  test('tells the others where the host moves the pointer, over either way, and not the host', async () => {
    const driver = await room().driving();
    await driver.media.settle();
    const watcher = await room().watching({ video: false, audio: false });
    const known = driver.media.outputs.length;

    driver.media.input({ type: 'move', x: 321, y: 123 });
    await watcher.media.until(() => sees(321, 123));
    driver.client.send('control/move', { x: 456, y: 234 });
    await watcher.media.until(() => sees(456, 234));
    await driver.media.settle();

    assert.deepEqual(
      driver.media.outputs
        .slice(known)
        .map(({ type }) => type)
        .filter((type) => type !== 'cursor-image'),
      ['pong'],
    );

    function sees(x: number, y: number): boolean {
      return watcher.media.outputs.some((one) => one.type === 'cursor-position' && one.x === x && one.y === y);
    }
  });

  test('brings a new cursor image when the cursor changes, to the host too', async () => {
    const { media } = await room().driving();
    media.input({ type: 'move', x: 1200, y: 700 });
    await media.settle();
    await using _terminal = await Terminal.open(room().xvnc);
    const images = (): Buffer[] => media.messages.filter((message) => message[0] === 0x02);
    const before = images();

    media.input({ type: 'move', x: 100, y: 100 });

    await media.until(() => images().length > before.length);
    assert.notDeepEqual(images().at(-1), before.at(-1));
  });
});
