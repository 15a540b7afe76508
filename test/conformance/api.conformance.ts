import { assert, test } from 'vitest';
import { refused, fields, jsonOf } from './answers.ts';
import { describeRoom, takeControls } from './room.ts';

describeRoom('the HTTP server', {}, (room) => {
  test('answers /health with true, without a login', async () => {
    const response = await room().fetch('/health');

    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'true');
  });

  test('answers an unknown path with 404 and a wrong method with 405', async () => {
    const { token } = await room().admin();
    const headers = { authorization: `Bearer ${token}` };

    assert.equal((await room().fetch('/api/nothing', { headers })).status, 404);
    assert.equal((await room().fetch('/nothing')).status, 404);
    assert.equal((await room().fetch('/api/whoami', { method: 'PUT', headers })).status, 405);
    assert.equal((await room().fetch('/api/login')).status, 405);
  });

  test('gives Prometheus metrics under /metrics', async () => {
    const response = await room().fetch('/metrics');

    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain/);
    assert.match(await response.text(), /^# TYPE neko_/m);
  });
});

describeRoom('the stats', {}, (room) => {
  test('count connected users and administrators and name the host; who is there has left at no time', async () => {
    const [admin, user] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(user);

    const { body } = await admin.call('GET', '/stats');

    const { server_started_at: startedAt, ...stats } = fields(body);
    assert.deepEqual(stats, {
      has_host: true,
      host_id: user.id,
      total_users: 1,
      total_admins: 1,
    });
    assert.isBelow(Date.parse(String(startedAt)), Date.now());
  });

  test('say since when nobody is there', async () => {
    const [admin, user] = await Promise.all([room().connected(), room().connectedUser()]);
    user.socket?.close(1000);
    await admin.next('session/state', ({ payload }) => payload.id === user.id && !payload.is_connected);

    const { body } = await admin.call('GET', '/stats');

    const stats = fields(body);
    assert.deepEqual([stats['has_host'], stats['host_id'], stats['total_users']], [false, undefined, 0]);
    assert.isAtMost(Date.parse(String(stats['last_user_left_at'])), Date.now());
    assert.equal(stats['last_admin_left_at'], undefined);
  });
});

describeRoom('a batch', {}, (room) => {
  test('does several calls in order as its caller, and gives path, method, status and body of each', async () => {
    const client = await room().admin();

    const { status, body } = await client.call('POST', '/batch', [
      { path: '/api/room/control/request', method: 'POST' },
      { path: '/api/room/control', method: 'GET' },
      { path: '/api/profile', method: 'POST', body: { name: 'batched' } },
      { path: '/api/sessions/nobody', method: 'GET' },
    ]);

    assert.equal(status, 200);
    assert.deepEqual(body, [
      { path: '/api/room/control/request', method: 'POST', status: 204 },
      { path: '/api/room/control', method: 'GET', status: 200, body: { has_host: true, host_id: client.id } },
      { path: '/api/profile', method: 'POST', status: 200, body: true },
      { path: '/api/sessions/nobody', method: 'GET', status: 404, body: { code: 404, message: 'session not found' } },
    ]);
  });

  test('refuses what is not under /api, itself and the WebSocket, each by itself', async () => {
    const client = await room().user();

    const { body } = await client.call('POST', '/batch', [
      { path: '/health', method: 'GET' },
      { path: '/api/batch', method: 'POST', body: [] },
      { path: '/api/ws', method: 'GET' },
      { path: '/api/room/screen', method: 'GET' },
    ]);

    const notAllowed = { code: 400, message: 'this path is not allowed in batch requests' };
    const excluded = { code: 400, message: 'this path is excluded from batch requests' };
    assert.ok(Array.isArray(body));
    assert.deepEqual(body.slice(0, 3), [
      { path: '/health', method: 'GET', status: 400, body: notAllowed },
      { path: '/api/batch', method: 'POST', status: 400, body: excluded },
      { path: '/api/ws', method: 'GET', status: 400, body: excluded },
    ]);
    assert.equal(fields(body[3])['status'], 200);
  });

  test('without a login is answered, its calls are refused', async () => {
    const response = await room().fetch('/api/batch', {
      method: 'POST',
      body: JSON.stringify([{ path: '/api/whoami', method: 'GET' }]),
    });

    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), [
      { path: '/api/whoami', method: 'GET', status: 401, body: { code: 401, message: 'Unauthorized' } },
    ]);
  });

  test('that is no list is answered with 500', async () => {
    const response = await room().fetch('/api/batch', { method: 'POST', body: '{}' });

    assert.equal(response.status, 500);
    assert.deepEqual(await jsonOf(response), { code: 500, message: 'Internal Server Error' });
  });
});

describeRoom('a screenshot', {}, (room) => {
  test('is a JPEG of the screen’s size, for administrators, never cached', async () => {
    const [admin, user] = await Promise.all([room().admin(), room().user()]);

    const response = await room().fetch(`/api/room/screen/shot.jpg?token=${admin.token}`);
    const image = Buffer.from(await response.arrayBuffer());

    assert.equal(response.headers.get('content-type'), 'image/jpeg');
    assert.equal(response.headers.get('cache-control'), 'no-cache, no-store, must-revalidate');
    assert.equal(jpegSize(image), '1280x720');
    assert.deepEqual(await user.call('GET', '/room/screen/shot.jpg'), refused(403, 'session is not admin'));
  });

  test('is the smaller the lower its quality; one that is no number means 90', async () => {
    const admin = await room().admin();

    const [low, high, odd] = await Promise.all(
      ['1', '100', 'odd'].map(async (quality) => {
        const { status, body } = await admin.call('GET', `/room/screen/shot.jpg?quality=${quality}`);
        assert.equal(status, 200);
        return Buffer.isBuffer(body) ? body.length : 0;
      }),
    );
    const { body } = await admin.call('GET', '/room/screen/shot.jpg?quality=90');

    assert.isAbove(high ?? 0, low ?? 0);
    assert.equal(odd, Buffer.isBuffer(body) ? body.length : 0);
  });

  test('as cast.jpg needs the screencast: 400 screencast pipeline is not enabled', async () => {
    const user = await room().user();

    assert.deepEqual(
      await user.call('GET', '/room/screen/cast.jpg'),
      refused(400, 'screencast pipeline is not enabled'),
    );
  });
});

describeRoom('what a session’s desktop does not have', {}, (room) => {
  test('is no broadcast: its status says so, to administrators', async () => {
    const [admin, user] = await Promise.all([room().admin(), room().user()]);

    assert.deepEqual(await admin.call('GET', '/room/broadcast'), { status: 200, body: { is_active: false } });
    assert.deepEqual(await admin.call('POST', '/room/broadcast/stop'), refused(422, 'server is not broadcasting'));
    assert.deepEqual(await user.call('GET', '/room/broadcast'), refused(403, 'session is not admin'));
  });

  test('is no upload: the host is told that it is disabled, others that they are not host', async () => {
    const client = await room().connected();
    const noHost = 'without implicit hosting, only host can upload files';
    assert.deepEqual(await client.call('POST', '/room/upload/drop'), refused(403, noHost));
    await takeControls(client);

    assert.deepEqual(await client.call('POST', '/room/upload/drop'), refused(400, 'upload drop is disabled'));
    assert.deepEqual(await client.call('POST', '/room/upload/dialog'), refused(400, 'file chooser dialog is disabled'));
    assert.deepEqual(
      await client.call('DELETE', '/room/upload/dialog'),
      refused(400, 'file chooser dialog is disabled'),
    );
  });

  test('are no members: the list is empty', async () => {
    const admin = await room().admin();

    assert.deepEqual(await admin.call('GET', '/members'), { status: 200, body: [] });
  });
});

/** From the frame header (SOF0 or SOF2). */
function jpegSize(image: Buffer): string {
  for (let at = 2; at + 9 < image.length; at += 2 + image.readUInt16BE(at + 2)) {
    const marker = image.readUInt16BE(at);
    if (marker === 0xffc0 || marker === 0xffc2) return `${image.readUInt16BE(at + 7)}x${image.readUInt16BE(at + 5)}`;
  }
  return 'none';
}
