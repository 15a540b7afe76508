import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'vitest';
import { EmbeddedStreamer, PASSWORDS, runEmbedded } from '../../../test/harness/embedded-streamer.ts';
import { NekoClient } from '../../../test/harness/neko-client.ts';
import { Xvnc } from '../../../test/harness/xvnc.ts';

describe('a viewer', () => {
  test('gets a key frame first, the cursor, and an unbroken stream after it', async () => {
    await using house = await openHouse();
    const client = await house.client();
    await client.connect();

    const media = await client.join();
    await media.firstKeyFrame;
    await media.until(() => media.video.length > 20 && media.outputs.length >= 2);

    const numbers = media.video.map((packet) => packet.header.sequenceNumber).toSorted((a, b) => a - b);
    assert.equal(new Set(numbers).size, numbers.length);
    assert.deepEqual(media.outputs.map((one) => one.type).slice(0, 2), ['cursor-image', 'cursor-position']);
  });

  test('shares one encode with the others, which ends after the last', async () => {
    await using house = await openHouse();
    const [first, second] = await Promise.all([house.client(), house.client()]);
    await Promise.all([first.connect(), second.connect()]);
    const media = await Promise.all([first.join(), second.join()]);
    await Promise.all(media.map((one) => one.firstKeyFrame));
    assert.equal(await house.metric('neko_capture_pipelines_total{.*"main"}'), 1);

    await first.call('POST', '/logout');
    assert.equal(await house.metric('neko_capture_streamsink_listeners{.*"main"}'), 1);
    assert.equal(await house.metric('neko_capture_pipelines_active{.*"main"}'), 1);
    await second.call('POST', '/logout');

    assert.equal(await house.metric('neko_capture_pipelines_active{.*"main"}'), 0);
    assert.equal(await house.metric('neko_capture_streamsink_listeners{.*"main"}'), 0);
  });

  test('goes dark and is closed when an administrator deletes its session', async () => {
    await using house = await openHouse();
    const [admin, viewer] = await Promise.all([house.client(), house.client(PASSWORDS.user)]);
    await viewer.connect();
    const media = await viewer.join();
    await media.firstKeyFrame;
    const closed = viewer.closed();

    const deleted = await admin.call('DELETE', `/sessions/${viewer.id}`);

    assert.equal(deleted.status, 204);
    await viewer.next('system/disconnect', ({ payload }) => payload.message === 'session deleted');
    assert.equal(await closed, 1006);
    assert.equal(await house.metric('neko_capture_streamsink_listeners{.*"main"}'), 0);
    assert.equal(await house.metric('neko_capture_pipelines_active{.*"main"}'), 0);
    assert.equal((await viewer.call('GET', '/whoami')).status, 401);
  });

  test('keeps its picture when the screen is resized', async () => {
    await using house = await openHouse();
    const client = await house.client();
    await client.connect();
    const media = await client.join();
    await media.firstKeyFrame;

    client.send('screen/set', { width: 1000, height: 640, rate: 25 });
    const { payload } = await client.next('screen/updated');
    const sofar = media.video.length;
    await media.until(() => media.video.slice(sofar).some((packet) => vp8Size(packet.payload) === '1000x640'));

    assert.deepEqual({ width: payload.width, height: payload.height }, { width: 1000, height: 640 });
    assert.equal(new Set(media.video.map((packet) => packet.header.ssrc)).size, 1);
  });
});

describe('the data channel', () => {
  test('obeys the host alone, and answers everybody', async () => {
    await using house = await openHouse();
    const [host, other] = await Promise.all([house.client(), house.client()]);
    await Promise.all([host.connect(), other.connect()]);
    const [driving, watching] = await Promise.all([host.join({ video: false }), other.join({ video: false })]);
    host.send('control/request');
    await host.next('control/host', ({ payload }) => payload.host_id === host.id);

    driving.input({ type: 'move', x: 0, y: 0 });
    await driving.settle(1);
    driving.input({ type: 'move', x: 300, y: 200 });
    await driving.settle(2);
    watching.input({ type: 'move', x: 5, y: 6 });
    await watching.settle(3);
    await watching.until(() => watching.outputs.some((one) => one.type === 'cursor-position' && one.x === 300));
    const newcomer = await house.client();
    await newcomer.connect();
    const seen = await newcomer.join({ video: false });
    await seen.until(() => seen.outputs.some((one) => one.type === 'cursor-position'));

    assert.deepEqual(
      seen.outputs.find((one) => one.type === 'cursor-position'),
      { type: 'cursor-position', x: 300, y: 200 },
    );
  });

  test('survives what is no message', async () => {
    await using house = await openHouse();
    const client = await house.client();
    await client.connect();
    const media = await client.join({ video: false });

    for (const bytes of [[0xff], [0x01, 0, 4, 0], [0x03, 0, 4]]) media.sendBytes(bytes);

    await media.settle(7);
    assert.ok(media.outputs.some((one) => one.type === 'pong'));
  });
});

describe('a session', () => {
  test('drops its privileges for good', async () => {
    await using house = await openHouse();
    const client = await house.client();

    await client.call('POST', '/profile', { is_admin: false, can_host: false });
    await client.call('POST', '/profile', { name: 'me', is_admin: true, can_host: true });

    const profile = await client.profile();
    assert.deepEqual([profile.name, profile.is_admin, profile.can_host, profile.can_watch], ['me', false, false, true]);
    assert.equal((await client.call('GET', '/room/screen/shot.jpg')).status, 403);
  });

  test('stays host when its connection breaks and comes back, and stops being it when it closes', async () => {
    await using house = await openHouse();
    const [host, other] = await Promise.all([house.client(), house.client()]);
    await Promise.all([host.connect(), other.connect()]);
    host.send('control/request');
    await other.next('control/host', ({ payload }) => payload.has_host);

    host.socket?.terminate();
    const again = await host.connect();
    assert.equal(again.payload.control_host.host_id, host.id);
    host.socket?.close(1000);

    await other.next('control/host', ({ payload }) => !payload.has_host);
    await other.next('session/state', ({ payload }) => payload.id === host.id && !payload.is_connected);
  });

  test('has one connection: a newer one replaces the older', async () => {
    await using house = await openHouse();
    const client = await house.client();
    await client.connect();
    const older = client.socket;
    const told: string[] = [];
    older?.on('message', (data: Buffer) => told.push(data.toString()));

    await client.connect();
    await new Promise((resolve) => older?.once('close', resolve));

    assert.match(told.at(-1) ?? '', /system\/disconnect.*connection replaced/);
  });

  test('is refused with a reason when its token is nobody’s', async () => {
    await using house = await openHouse();
    const client = await house.client();
    await client.call('POST', '/logout');

    await assert.rejects(NekoClient.login(house.baseUrl, 'wrong'), /401/);
    client.connect().catch(() => undefined);
    const { payload } = await client.next('system/disconnect');

    assert.equal(payload.message, 'session not found');
  });
});

describe('the API', () => {
  test('gives controls, screenshots and the clipboard to whom they are due', async () => {
    await using house = await openHouse();
    const [admin, user] = await Promise.all([house.client(), house.client(PASSWORDS.user)]);

    assert.equal((await user.call('GET', '/room/clipboard')).status, 403);
    assert.equal((await user.call('POST', '/room/control/take')).status, 403);
    assert.equal((await user.call('POST', '/room/control/request')).status, 204);
    assert.deepEqual((await admin.call('GET', '/room/control')).body, { has_host: true, host_id: user.id });
    assert.equal((await admin.call('POST', '/room/control/request')).status, 202);
    assert.equal((await user.call('POST', '/room/clipboard', { text: 'schön 漢' })).status, 204);
    assert.deepEqual((await user.call('GET', '/room/clipboard')).body, { text: 'schön 漢' });
    assert.equal((await admin.call('POST', `/room/control/give/${admin.id}`)).status, 204);
    assert.equal((await user.call('POST', '/room/control/release')).status, 422);
    const shot = await admin.call('GET', '/room/screen/shot.jpg?quality=70');
    assert.equal(shot.status, 200);
    assert.ok(Buffer.isBuffer(shot.body) && shot.body.readUInt16BE(0) === 0xffd8);
    assert.equal((await admin.call('POST', '/room/screen', { width: 4, height: 4, rate: 25 })).status, 422);
    assert.equal((await admin.call('POST', '/profile')).status, 400);
  });
});

describe('the program', () => {
  test('stops with 2 for a flag, a variable or a value that it does not support, and says which', async () => {
    for (const [args, env, named] of [
      [['serve', '--capture.video.codec', 'h264'], {}, '--capture.video.codec'],
      [['serve', '--desktop.teleport=true'], {}, '--desktop.teleport'],
      [['serve'], { NEKO_DESKTOP_TELEPORT: '1' }, 'NEKO_DESKTOP_TELEPORT'],
    ] as const) {
      const { code, lastLine } = await runEmbedded([...args], env).exited;

      assert.equal(code, 2);
      assert.ok(lastLine.includes(named), lastLine);
    }
  });

  test('ends with 1 and a clear last line when the X server dies', async () => {
    await using xvnc = await Xvnc.start();
    await using streamer = await EmbeddedStreamer.start(xvnc);

    await xvnc.kill();

    const { code, lastLine } = await streamer.exited;
    assert.equal(code, 1);
    assert.match(lastLine, /the X server closed the connection|the X connection failed/);
  });

  test('ends with 0 on SIGTERM, and its pipelines with it', async () => {
    await using house = await openHouse();
    const client = await house.client();
    await client.connect();
    const media = await client.join();
    await media.firstKeyFrame;
    const children = await childrenOf(house.streamer.pid);

    const { code } = await house.streamer.stop();

    assert.equal(code, 0);
    assert.equal(children.length, 1);
    for (const child of children) assert.throws(() => process.kill(child, 0), { code: 'ESRCH' });
  });
});

interface House extends AsyncDisposable {
  streamer: EmbeddedStreamer;
  baseUrl: string;
  client(password?: string): Promise<NekoClient>;
  metric(name: string): Promise<number>;
}

/** A desktop with its streamer; the clients end with it. */
async function openHouse(flags: Record<string, string> = {}): Promise<House> {
  await using opening = new AsyncDisposableStack();
  const xvnc = opening.use(await Xvnc.start());
  const streamer = opening.use(await EmbeddedStreamer.start(xvnc, flags));
  const owned = opening.move();
  return {
    streamer,
    baseUrl: streamer.baseUrl,
    client: async (password = PASSWORDS.admin) => owned.use(await NekoClient.login(streamer.baseUrl, password)),
    metric: async (name) => {
      const text = await (await fetch(`${streamer.baseUrl}/metrics`)).text();
      return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A VP8 key frame's size, from its header (RFC 6386, section 9.1), or undefined for other packets. */
function vp8Size(payload: Buffer): string | undefined {
  const frame = payload.subarray(1);
  const isKeyFrameStart = ((payload[0] ?? 0) & 0x90) === 0x10 && ((frame[0] ?? 1) & 1) === 0;
  if (!isKeyFrameStart || frame.readUIntBE(3, 3) !== 0x9d012a) return undefined;
  return `${frame.readUInt16LE(6) & 0x3fff}x${frame.readUInt16LE(8) & 0x3fff}`;
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}
