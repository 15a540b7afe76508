import { assert, test } from 'vitest';
import type { NekoClient } from '../harness/neko-client.ts';
import type { SessionState } from '../../src/signaling/messages.ts';
import { describeRoom, takeControls } from './room.ts';

describeRoom('a WebSocket that opens', {}, (room) => {
  test('brings system/init first, with all that a client starts from', async () => {
    const client = await room().admin();

    const { payload } = await client.connect();

    assert.equal(client.log[0]?.event, 'system/init');
    const { sessions, settings, screen_size: screen, ...rest } = payload;
    assert.deepEqual(rest, {
      session_id: client.id,
      control_host: { id: '', has_host: false },
      touch_events: false,
      screencast_enabled: false,
      webrtc: { videos: ['main'] },
    });
    assert.deepEqual(settings, {
      private_mode: false,
      locked_logins: false,
      locked_controls: false,
      control_protection: false,
      implicit_hosting: false,
      inactive_cursors: false,
      merciful_reconnect: true,
      heartbeat_interval: 10,
      plugins: null,
    });
    assert.deepEqual([screen.width, screen.height], [1280, 720]);
    assert.equal(sessions[client.id]?.state.is_connected, true);
    assert.isString(sessions[client.id]?.state.connected_since);
  });

  test('brings an administrator system/admin next, with screen sizes and the broadcast’s status', async () => {
    const client = await room().connected();

    const { payload } = await client.next('system/admin');

    assert.equal(client.log[1]?.event, 'system/admin');
    assert.deepEqual(payload.broadcast_status, { is_active: false });
    assert.ok(payload.screen_sizes_list?.some(({ width, height }) => width === 1280 && height === 720));
  });

  test('brings a user no system/admin, and then its own session/state', async () => {
    const client = await room().connectedUser();

    await client.next('session/state', ({ payload }) => payload.id === client.id && payload.is_connected);
    await client.settle();

    assert.deepEqual(client.log.map(({ event }) => event).slice(0, 2), ['system/init', 'session/state']);
    assert.ok(client.log.every(({ event }) => event !== 'system/admin'));
  });

  test('names who has the controls, and everybody with a login', async () => {
    const host = await room().connected();
    await takeControls(host);
    const other = await room().user('idle');
    const client = await room().user();

    const { payload } = await client.connect();

    assert.deepEqual(payload.control_host, { id: '', has_host: true, host_id: host.id });
    assert.equal(payload.sessions[other.id]?.state.is_connected, false);
    assert.equal(payload.sessions[host.id]?.profile.is_admin, true);
  });

  test('is told to the others: session/state with is_connected', async () => {
    const [watcher, client] = await Promise.all([room().connected(), room().user()]);

    await client.connect();

    const { payload } = await watcher.next('session/state', (message) => message.payload.id === client.id);
    assert.equal(payload.is_connected, true);
    assert.isString(payload.connected_since);
    assert.equal(payload.is_watching, false);
  });
});

describeRoom('an open WebSocket', {}, (room) => {
  test('gets system/heartbeat without a payload every 10 s, with a ping', { timeout: 20_000 }, async () => {
    const client = await room().connected();
    const opened = Date.now();

    const heartbeat = await client.next('system/heartbeat');
    await client.settle();

    assert.deepEqual(heartbeat, { event: 'system/heartbeat' });
    assert.equal(client.pings, 1);
    assert.isAbove(Date.now() - opened, 9000);
  });

  test('takes client/heartbeat and system/logs without an answer', async () => {
    const client = await room().connected();
    const before = await settledLog(client);

    client.send('client/heartbeat');
    client.send('system/logs', [{ level: 'info', message: 'from a test', fields: { a: 1 } }]);

    assert.deepEqual(await settledLog(client), [...before, 'send/unicast']);
  });

  test('survives what is no JSON, no message, or an event that nobody knows', async () => {
    const client = await room().connected();
    const before = await settledLog(client);

    for (const frame of ['no JSON', '[]', '{}', '"text"', '{"event":5}', '{"event":"no/such"}'])
      client.socket?.send(frame);
    client.send('control/move', 'no position');
    client.send('control/keypress');

    assert.deepEqual(await settledLog(client), [...before, 'send/unicast']);
  });
});

describeRoom('a session’s newer WebSocket', {}, (room) => {
  test('replaces the older one, which is told “connection replaced” and closed', async () => {
    const client = await room().connected();
    const older = client.socket;
    const lastWords = Promise.withResolvers<string>();
    let last = '';
    older?.on('message', (data: Buffer) => (last = data.toString()));
    older?.on('close', () => lastWords.resolve(last));

    await client.connect();

    assert.deepEqual(JSON.parse(await lastWords.promise), {
      event: 'system/disconnect',
      payload: { message: 'connection replaced' },
    });
    await client.settle();
  });

  test('goes on as the same session, still host and still watching', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;
    await takeControls(client);

    const { payload } = await client.connect();

    assert.equal(payload.session_id, client.id);
    assert.equal(payload.control_host.host_id, client.id);
    assert.equal(payload.sessions[client.id]?.state.is_watching, true);
  });
});

describeRoom('a WebSocket that is lost', { busy: true }, (room) => {
  test('and comes back finds its session host and watching; the picture has no gap and nothing is negotiated', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;
    await takeControls(client);
    const watcher = await room().connectedUser();

    client.socket?.terminate();
    const framesBefore = media.video.length;
    await media.until(() => media.video.length > framesBefore + 10);
    const { payload } = await client.connect();
    const framesAfter = media.video.length;
    await media.until(() => media.video.length > framesAfter + 10);
    await client.settle();
    await watcher.settle();

    assert.equal(payload.control_host.host_id, client.id);
    assert.equal(payload.sessions[client.id]?.state.is_watching, true);
    assert.ok(client.log.every(({ event }) => !event.startsWith('signal/')));
    assert.ok(watcher.log.every(({ event }) => event !== 'control/host'));
    const numbers = media.video.map(({ header }) => header.sequenceNumber);
    assert.ok(numbers.every((number, index) => index === 0 || number === (((numbers[index - 1] ?? 0) + 1) & 0xffff)));
  });

  test('keeps the controls for about 5 s, then they are free and it is not connected', async () => {
    const [client, watcher] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(client);

    client.socket?.terminate();
    const lost = Date.now();

    await watcher.next('control/host', ({ payload }) => !payload.has_host);
    assert.isAbove(Date.now() - lost, 4000);
    const { payload } = await watcher.next(
      'session/state',
      (message) => message.payload.id === client.id && !message.payload.is_connected,
    );
    assert.isString(payload.not_connected_since);
  });

  test('is one that closed without a code, too', async () => {
    const [client, watcher] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(client);

    client.socket?.close();
    const closed = Date.now();

    await watcher.next('control/host', ({ payload }) => !payload.has_host);
    assert.isAbove(Date.now() - closed, 4000);
  });
});

describeRoom('a WebSocket that closes normally', { busy: true }, (room) => {
  test.each([1000, 1001])('with %i gives up the controls at once', async (code) => {
    const [client, watcher] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(client);

    client.socket?.close(code);
    const closed = Date.now();

    await watcher.next('control/host', ({ payload }) => !payload.has_host && payload.id === client.id);
    await watcher.next('session/state', ({ payload }) => payload.id === client.id && !payload.is_connected);
    assert.isBelow(Date.now() - closed, 4000);
  });

  test('leaves the media running: frames go on and the session is watching', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;
    const watcher = await room().connectedUser();

    client.socket?.close(1000);
    await watcher.next('session/state', ({ payload }) => payload.id === client.id && !payload.is_connected);
    const sofar = media.video.length;
    await media.until(() => media.video.length > sofar + 20);

    const { body } = await watcher.call('GET', '/sessions');
    assert.deepInclude(body, { id: client.id, profile: await client.profile(), state: await room().stateOf(client) });
    assert.equal((await room().stateOf(client)).is_watching, true);
  });

  test('can be opened again: the same session', async () => {
    const [client, watcher] = await Promise.all([room().connected(), room().connectedUser()]);
    client.socket?.close(1000);
    await watcher.next('session/state', ({ payload }) => payload.id === client.id && !payload.is_connected);

    const { payload } = await client.connect();

    assert.equal(payload.session_id, client.id);
    assert.equal(payload.sessions[client.id]?.state.is_connected, true);
  });
});

describeRoom('a session that is deleted', { busy: true }, (room) => {
  test('while it watches: media ends, the WebSocket closes with “session deleted”, all are told', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;
    const admin = await room().connected();
    const closed = client.closed();

    await admin.call('DELETE', `/sessions/${client.id}`);

    await client.next('system/disconnect', ({ payload }) => payload.message === 'session deleted');
    assert.equal(await closed, 1006);
    await admin.next('session/deleted', ({ payload }) => payload.id === client.id);
    assert.isString((await untilNotWatching(client, admin)).not_watching_since);
    await media.quiet();
  });

  test('after its WebSocket closed: media ends all the same', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;
    const admin = await room().connected();
    client.socket?.close(1000);
    await admin.next('session/state', ({ payload }) => payload.id === client.id && !payload.is_connected);

    await client.call('POST', '/logout');

    assert.isString((await untilNotWatching(client, admin)).not_watching_since);
    await media.quiet();
  });

  test('gives up the controls', async () => {
    const [client, admin] = await Promise.all([room().connectedUser(), room().connected()]);
    await takeControls(client);

    await admin.call('DELETE', `/sessions/${client.id}`);

    const { payload } = await admin.next('control/host', (message) => !message.payload.has_host);
    assert.equal(payload.id, client.id);
  });
});

describeRoom('a session that is disconnected', {}, (room) => {
  test('while it watches: media ends too', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;
    const admin = await room().connected();

    await admin.call('POST', `/sessions/${client.id}/disconnect`);

    assert.isString((await untilNotWatching(client, admin)).not_watching_since);
    await media.quiet();
  });
});

/** The state that the others are told of once the session does not watch any more. */
async function untilNotWatching(client: NekoClient, watcher: NekoClient): Promise<SessionState> {
  const { payload } = await watcher.next(
    'session/state',
    (message) =>
      message.payload.id === client.id &&
      !message.payload.is_watching &&
      message.payload.not_watching_since !== undefined,
  );
  return payload;
}

/** Every event so far, once the streamer has dealt with all that was sent. */
async function settledLog(client: NekoClient): Promise<string[]> {
  await client.settle();
  return client.log.map(({ event }) => event);
}
