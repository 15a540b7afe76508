import { assert, test } from 'vitest';
import { NekoClient } from '../harness/neko-client.ts';
import { DONE, refused } from './answers.ts';
import { describeRoom, takeControls } from './room.ts';
import { TWO_QUALITIES } from './video.ts';

describeRoom('implicit hosting', { flags: { 'session.implicit_hosting': 'true' }, display: true }, (room) => {
  test('is in the settings', async () => {
    const client = await room().user();

    assert.equal((await client.connect()).payload.settings.implicit_hosting, true);
  });

  test('gives the controls to whoever requests them, at once', async () => {
    const [first, second] = await Promise.all([room().connectedUser(), room().connectedUser()]);
    await takeControls(first);

    second.send('control/request');

    const { payload } = await first.next('control/host');
    assert.deepEqual(payload, { id: second.id, has_host: true, host_id: second.id });
    await first.settle();
    assert.ok(first.log.every(({ event }) => event !== 'control/request'));
  });

  test('gives the controls to whoever moves or types over the WebSocket', async () => {
    const [first, second] = await Promise.all([room().connectedUser(), room().connectedUser()]);
    await takeControls(first);

    second.send('control/move', { x: 77, y: 78 });

    assert.equal((await first.next('control/host')).payload.host_id, second.id);
    await second.settle();
    assert.equal((await room().desktop.pointer()).x, 77);
  });

  test('does not give them to whoever moves over the data channel, nor over REST', async () => {
    const [first, second] = await Promise.all([
      room().connectedUser(),
      room().watching({ video: false, audio: false }),
    ]);
    await takeControls(first);

    second.media.input({ type: 'move', x: 5, y: 5 });
    await second.media.settle();

    assert.deepEqual(await second.client.call('POST', '/room/control/request'), refused(202, 'control request sent'));
    assert.deepEqual((await first.call('GET', '/room/control')).body, { has_host: true, host_id: first.id });
  });
});

describeRoom('inactive cursors', { flags: { 'session.inactive_cursors': 'true' } }, (room) => {
  test('of sessions that are not host are told to who may see them: session/cursors with all positions', async () => {
    const admin = await room().connected();
    const user = await room().connectedUser();
    const media = await user.join({ video: false, audio: false });

    media.input({ type: 'move', x: 10, y: 20 });
    media.input({ type: 'move', x: 30, y: 40 });
    await media.settle();

    const seen = await cursorsUntil(admin, (cursors) => cursors.length >= 2);
    assert.deepEqual(seen, [
      { id: user.id, x: 10, y: 20 },
      { id: user.id, x: 30, y: 40 },
    ]);
    await admin.next('session/cursors', (message) => (message.payload ?? []).length === 0);
    await user.settle();
    assert.ok(user.log.every(({ event }) => event !== 'session/cursors'));
  });

  test('are not told of who does not send them', async () => {
    const [admin, other] = await Promise.all([room().connected(), room().watching({ video: false, audio: false })]);
    await other.client.call('POST', '/profile', { sends_inactive_cursor: false });
    const user = await room().connectedUser();
    const media = await user.join({ video: false, audio: false });

    other.media.input({ type: 'move', x: 1, y: 2 });
    await other.media.settle();
    media.input({ type: 'move', x: 3, y: 4 });

    const seen = await cursorsUntil(admin, (cursors) => cursors.some(({ id }) => id === user.id));
    assert.ok(seen.every(({ id }) => id !== other.client.id));
  });

  test('switched off are ended with an empty list', async () => {
    const admin = await room().connected();

    assert.deepEqual(await admin.call('POST', '/room/settings', { inactive_cursors: false }), DONE);

    assert.deepEqual((await admin.next('session/cursors')).payload, []);
    assert.deepEqual(await admin.call('POST', '/room/settings', { inactive_cursors: true }), DONE);
  });
});

describeRoom('private mode', { busy: true }, (room) => {
  test('pauses the media of users, not of administrators, and goes on with a key frame', async () => {
    const { client: admin, media: adminMedia } = await room().watching();
    const user = await room().connectedUser();
    const media = await user.join();
    await Promise.all([media.firstKeyFrame, adminMedia.firstKeyFrame]);

    assert.deepEqual(await admin.call('POST', '/room/settings', { private_mode: true }), DONE);

    await user.next('system/settings', ({ payload }) => payload.private_mode);
    await media.quiet();
    const sofar = adminMedia.video.length;
    await adminMedia.until(() => adminMedia.video.length > sofar + 10);
    const paused = media.video.length;
    assert.deepEqual(await admin.call('POST', '/room/settings', { private_mode: false }), DONE);
    await media.until(() => media.video.length > paused + 5);
  });

  test('takes the controls from users and refuses them: 422 private mode is enabled', async () => {
    const [admin, user] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(user);

    await admin.call('POST', '/room/settings', { private_mode: true });

    await user.next('control/host', ({ payload }) => !payload.has_host);
    user.send('control/request');
    await user.settle();
    assert.deepEqual((await admin.call('GET', '/room/control')).body, { has_host: false });
    assert.deepEqual(await user.call('POST', '/room/control/request'), refused(422, 'private mode is enabled'));
    assert.deepEqual(await user.call('GET', '/room/keyboard/map'), refused(422, 'private mode is enabled'));
    await takeControls(admin);
    await admin.call('POST', '/room/settings', { private_mode: false });
  });

  test('shows users a still picture of before as cast.jpg', async () => {
    const [admin, user] = await Promise.all([room().admin(), room().user()]);
    await admin.call('POST', '/room/settings', { private_mode: true });

    const { status, body } = await user.call('GET', '/room/screen/cast.jpg');

    assert.equal(status, 200);
    assert.ok(Buffer.isBuffer(body) && body.readUInt16BE(0) === 0xffd8);
    await admin.call('POST', '/room/settings', { private_mode: false });
  });

  test('gives a user who joins an offer, whose media starts when it ends', async () => {
    const admin = await room().admin();
    await admin.call('POST', '/room/settings', { private_mode: true });
    const user = await room().connectedUser();
    const media = await user.join();
    await media.quiet();
    assert.equal(media.video.length, 0);

    await admin.call('POST', '/room/settings', { private_mode: false });

    await media.firstKeyFrame;
  });
});

describeRoom(
  'a room that starts private, with logins and controls locked',
  { flags: { 'session.private_mode': 'true', 'session.locked_logins': 'true', 'session.locked_controls': 'true' } },
  (room) => {
    test('says so in its settings, and keeps users out', async () => {
      const admin = await room().admin();
      const { payload } = await admin.connect();

      assert.deepInclude(payload.settings, { private_mode: true, locked_logins: true, locked_controls: true });
      const response = await room().fetch('/api/login', {
        method: 'POST',
        body: JSON.stringify({ username: 'late', password: room().passwords.user }),
      });
      assert.deepEqual(await response.json(), { code: 403, message: 'logins are locked' });
    });

    test('lets administrators control', async () => {
      const admin = await room().connected();

      await takeControls(admin);

      assert.deepEqual((await admin.call('GET', '/room/control')).body, { has_host: true, host_id: admin.id });
    });
  },
);

describeRoom('control protection', { flags: { 'session.control_protection': 'true' } }, (room) => {
  test('locks the controls until an administrator connects', async () => {
    const user = await room().user();
    const { payload } = await user.connect();
    assert.deepInclude(payload.settings, { control_protection: true, locked_controls: true });

    const admin = await room().connected();

    const settings = await user.next('system/settings');
    assert.equal(settings.payload.locked_controls, false);
    assert.equal(settings.payload.id, admin.id);
    await takeControls(user);
  });
});

describeRoom('without merciful reconnect', { flags: { 'session.merciful_reconnect': 'false' } }, (room) => {
  test('a second WebSocket is refused: already connected; the first stays', async () => {
    const client = await room().connected();
    const second = NekoClient.of(room().baseUrl, client);

    void second.connect().catch(() => undefined);

    assert.equal((await second.next('system/disconnect')).payload.message, 'already connected');
    await client.settle();
  });

  test('a lost WebSocket still keeps the controls for about 5 s', async () => {
    const [client, watcher] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(client);

    client.socket?.terminate();
    const lost = Date.now();

    await watcher.next('control/host', ({ payload }) => !payload.has_host);
    assert.isAbove(Date.now() - lost, 4000);
  });
});

describeRoom(
  'the estimator',
  { flags: { ...TWO_QUALITIES, 'webrtc.estimator.enabled': 'true' }, busy: true },
  (room) => {
    test('offers transport-wide feedback', async () => {
      const client = await room().connected();
      client.send('signal/request', {});

      const { payload } = await client.next('signal/provide');

      assert.match(payload.sdp, /^a=rtcp-fb:96 transport-cc/m);
      assert.match(
        payload.sdp,
        /^a=extmap:\d+ http:\/\/www\.ietf\.org\/id\/draft-holmer-rmcat-transport-wide-cc-extensions-01/m,
      );
    });

    test('takes auto at request and later, and tells of it in signal/video', async () => {
      const { client } = await room().watching({ request: { video: { auto: true } }, transportFeedback: true });
      const provide = client.log.find((message) => message.event === 'signal/provide');
      assert.ok(provide?.event === 'signal/provide' && provide.payload.video.auto);

      client.send('signal/video', { auto: false });

      await client.next('signal/video', ({ payload }) => !payload.auto);
      client.send('signal/video', { auto: true });
      await client.next('signal/video', ({ payload }) => payload.auto);
    });

    test('estimates from the viewer’s feedback, as a metric', async () => {
      const { client, media } = await room().watching({ transportFeedback: true });
      await media.firstKeyFrame;

      let estimate = 0;
      while (estimate === 0) {
        const text = await (await room().fetch('/metrics')).text();
        const [, value] =
          new RegExp(`^neko_webrtc_receiver_estimated_target_bitrate\\{session_id="${client.id}"\\} (.+)$`, 'm').exec(
            text,
          ) ?? [];
        estimate = Number(value ?? 0);
        const sofar = media.video.length;
        await media.until(() => media.video.length > sofar + 5);
      }

      assert.isAbove(estimate, 0);
    });
  },
);

interface SeenCursor {
  id: string;
  x: number;
  y: number;
}

/** The positions that session/cursors bring, which may take several, until there are enough of them. */
async function cursorsUntil(client: NekoClient, enough: (seen: SeenCursor[]) => boolean): Promise<SeenCursor[]> {
  const seen: SeenCursor[] = [];
  while (!enough(seen)) {
    const { payload } = await client.next('session/cursors');
    for (const { id, cursors } of payload ?? []) for (const { x, y } of cursors ?? []) seen.push({ id, x, y });
  }
  return seen;
}
