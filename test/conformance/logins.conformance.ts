import { assert, test } from 'vitest';
import { NekoClient } from '../harness/neko-client.ts';
import { refused, fields, jsonOf } from './answers.ts';
import { describeRoom, takeControls } from './room.ts';

const RIGHTS = {
  is_admin: true,
  can_login: true,
  can_connect: true,
  can_watch: true,
  can_host: true,
  can_share_media: true,
  can_access_clipboard: true,
  sends_inactive_cursor: true,
  can_see_inactive_cursors: true,
  plugins: null,
};

describeRoom('a login', {}, (room) => {
  test('with the admin password gives id, token, an administrator’s profile and its state', async () => {
    const response = await login(room().baseUrl, { username: 'ann', password: room().passwords.admin });
    const body = await jsonOf(response);

    assert.equal(response.status, 200);
    assert.match(String(body['id']), /^ann-[\w-]{5,}$/);
    assert.match(String(body['token']), /^[\w-]{32,}$/);
    assert.deepEqual(body['profile'], { name: 'ann', ...RIGHTS });
    assert.deepEqual(body['state'], { is_connected: false, is_watching: false });
  });

  test('sets no cookie where cookies are off', async () => {
    const response = await login(room().baseUrl, { username: 'ann', password: room().passwords.admin });

    assert.equal(response.headers.get('set-cookie'), null);
  });

  test('with the user password gives the user profile', async () => {
    const response = await login(room().baseUrl, { username: 'uwe', password: room().passwords.user });

    const { profile } = await jsonOf(response);
    assert.deepEqual(profile, { name: 'uwe', ...RIGHTS, is_admin: false, can_see_inactive_cursors: false });
  });

  test('is a session of its own, though the name is the same', async () => {
    const [first, second] = await Promise.all([room().admin('twin'), room().admin('twin')]);

    assert.notEqual(first.id, second.id);
    assert.notEqual(first.token, second.token);
  });

  test('with a wrong password is refused with 401, {code, message}', async () => {
    const response = await login(room().baseUrl, { username: 'ann', password: 'wrong' });

    assert.equal(response.status, 401);
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
    assert.deepEqual(await jsonOf(response), { code: 401, message: 'Unauthorized' });
  });

  test('without a body is refused: 400 no data provided', async () => {
    const response = await room().fetch('/api/login', { method: 'POST' });

    assert.deepEqual(await jsonOf(response), { code: 400, message: 'no data provided' });
  });

  test('with a body that is no JSON is refused: 400 unable to parse provided data', async () => {
    for (const body of ['{"username":', '[]', '{"username":1}']) {
      const response = await room().fetch('/api/login', { method: 'POST', body });

      assert.deepEqual(await jsonOf(response), { code: 400, message: 'unable to parse provided data' });
    }
  });

  test('is told to who is connected: session/created with profile and state', async () => {
    const watcher = await room().connected();

    const { id } = await room().user('newcomer');

    const { payload } = await watcher.next('session/created', (message) => message.payload.id === id);
    assert.equal(payload.profile.name, 'newcomer');
    assert.deepEqual(payload.state, { is_connected: false, is_watching: false });
  });

  test('of the API token is an administrator of the REST API that cannot connect', async () => {
    const api = asBearer(room().baseUrl, room().passwords.admin);
    const { body } = await api.call('GET', '/whoami');

    assert.equal(fields(body)['id'], 'API');
    assert.equal(fields(fields(body)['profile'])['is_admin'], true);
    assert.equal((await api.call('GET', '/sessions')).status, 200);
    void api.connect().catch(() => undefined);
    const { payload } = await api.next('system/disconnect');
    assert.equal(payload.message, 'connection disabled');
  });
});

describeRoom('a token', {}, (room) => {
  test('goes as Authorization: Bearer or as ?token=', async () => {
    const { token, id } = await room().user();

    const byHeader = await room().fetch('/api/whoami', { headers: { authorization: `Bearer ${token}` } });
    const byQuery = await room().fetch(`/api/whoami?token=${token}`);

    assert.equal((await jsonOf(byHeader))['id'], id);
    assert.equal((await jsonOf(byQuery))['id'], id);
  });

  test('that is nobody’s, or is missing, is refused: 401', async () => {
    for (const path of ['/api/whoami', '/api/whoami?token=nobody', '/api/sessions', '/api/room/screen', '/api/stats']) {
      const response = await room().fetch(path);

      assert.equal(response.status, 401);
      assert.deepEqual(await jsonOf(response), { code: 401, message: 'Unauthorized' });
    }
  });

  test('that is nobody’s opens a WebSocket that says so and closes: session not found', async () => {
    const client = asBearer(room().baseUrl, 'nobody');

    void client.connect().catch(() => undefined);

    const { payload } = await client.next('system/disconnect');
    assert.equal(payload.message, 'session not found');
  });

  test('that is missing opens a WebSocket that says so and closes: no authentication provided', async () => {
    const client = asBearer(room().baseUrl, '');

    void client.connect().catch(() => undefined);

    const { payload } = await client.next('system/disconnect');
    assert.equal(payload.message, 'no authentication provided');
  });

  test('ends with logout, which answers true, closes its WebSocket and is told: session/deleted', async () => {
    const [watcher, leaver] = await Promise.all([room().connected(), room().connectedUser()]);
    const closed = leaver.closed();

    const answer = await leaver.call('POST', '/logout');

    assert.deepEqual(answer, { status: 200, body: true });
    await watcher.next('session/deleted', ({ payload }) => payload.id === leaver.id);
    await leaver.next('system/disconnect', ({ payload }) => payload.message === 'session deleted');
    assert.equal(await closed, 1006);
    assert.deepEqual(await leaver.call('GET', '/whoami'), refused(401, 'Unauthorized'));
    assert.deepEqual(await leaver.call('POST', '/logout'), refused(401, 'Unauthorized'));
  });
});

describeRoom('a profile', {}, (room) => {
  test('is in whoami, with id and state and without the token', async () => {
    const client = await room().user('me');

    const { status, body } = await client.call('GET', '/whoami');

    assert.equal(status, 200);
    assert.sameMembers(Object.keys(fields(body)), ['id', 'profile', 'state']);
    assert.equal(fields(body)['id'], client.id);
  });

  test('of an administrator takes the fields that are given and keeps the others', async () => {
    const client = await room().admin('name');

    const answer = await client.call('POST', '/profile', { can_host: false });

    assert.deepEqual(answer, { status: 200, body: true });
    assert.deepEqual(await client.profile(), { name: 'name', ...RIGHTS, can_host: false });
  });

  test('whose privileges are dropped can not get them back', async () => {
    const client = await room().admin();
    await client.call('POST', '/profile', {
      name: 'low',
      is_admin: false,
      can_host: false,
      can_access_clipboard: false,
    });

    const answer = await client.call('POST', '/profile', { name: 'high', is_admin: true, can_host: true });

    assert.deepEqual(answer, { status: 200, body: true });
    assert.deepEqual(await client.profile(), {
      name: 'high',
      ...RIGHTS,
      is_admin: false,
      can_host: false,
      can_access_clipboard: false,
    });
    assert.deepEqual(await client.call('GET', '/room/screen/shot.jpg'), refused(403, 'session is not admin'));
  });

  test('of a user changes its name alone, and loses it where none is given', async () => {
    const client = await room().user('before');

    await client.call('POST', '/profile', { can_watch: false });

    assert.deepEqual(await client.profile(), { name: '', ...RIGHTS, is_admin: false, can_see_inactive_cursors: false });
  });

  test('needs a body: 400 no data provided', async () => {
    const client = await room().admin();

    assert.deepEqual(await client.call('POST', '/profile'), refused(400, 'no data provided'));
  });

  test('that changes is told to who is connected: session/profile', async () => {
    const [watcher, client] = await Promise.all([room().connected(), room().user('old')]);

    await client.call('POST', '/profile', { name: 'new' });

    const { payload } = await watcher.next('session/profile', (message) => message.payload.id === client.id);
    assert.equal(payload.name, 'new');
  });

  test('without can_login refuses its token: 403 login is disabled for this session', async () => {
    const client = await room().admin();

    await client.call('POST', '/profile', { can_login: false });

    assert.deepEqual(await client.call('GET', '/whoami'), refused(403, 'login is disabled for this session'));
  });

  test('that loses can_connect loses its WebSocket: profile changed', async () => {
    const client = await room().connected();
    const closed = client.closed();

    await client.call('POST', '/profile', { can_connect: false });

    await client.next('system/disconnect', ({ payload }) => payload.message === 'profile changed');
    assert.equal(await closed, 1006);
  });

  test('that loses can_host loses the controls', async () => {
    const client = await room().connected();
    await takeControls(client);

    await client.call('POST', '/profile', { can_host: false });

    const { payload } = await client.next('control/host', (message) => !message.payload.has_host);
    assert.equal(payload.id, client.id);
  });
});

describeRoom('the sessions', {}, (room) => {
  test('are listed for everybody with a login', async () => {
    const [admin, user] = await Promise.all([room().admin(), room().user()]);

    const { status, body } = await user.call('GET', '/sessions');

    assert.equal(status, 200);
    assert.ok(Array.isArray(body));
    const ids = body.map((session: unknown) => fields(session)['id']);
    assert.includeMembers(ids, [admin.id, user.id]);
    assert.sameMembers(Object.keys(fields(body[0])), ['id', 'profile', 'state']);
  });

  test('are read one by one by administrators alone', async () => {
    const [admin, user] = await Promise.all([room().admin(), room().user('one')]);

    const { body } = await admin.call('GET', `/sessions/${user.id}`);

    assert.equal(fields(fields(body)['profile'])['name'], 'one');
    assert.deepEqual(await user.call('GET', `/sessions/${user.id}`), refused(403, 'session is not admin'));
    assert.deepEqual(await admin.call('GET', '/sessions/nobody'), refused(404, 'session not found'));
  });

  test('are deleted by administrators alone, who can not delete their own', async () => {
    const [admin, user] = await Promise.all([room().admin(), room().user()]);

    assert.deepEqual(await user.call('DELETE', `/sessions/${admin.id}`), refused(403, 'session is not admin'));
    assert.deepEqual(await admin.call('DELETE', `/sessions/${admin.id}`), refused(400, 'cannot delete own session'));
    assert.deepEqual(await admin.call('DELETE', '/sessions/nobody'), refused(400, 'session not found'));
    assert.equal((await admin.call('DELETE', `/sessions/${user.id}`)).status, 204);
    assert.deepEqual(await user.call('GET', '/whoami'), refused(401, 'Unauthorized'));
  });

  test('are disconnected by administrators: the WebSocket closes with “session disconnected”, the token stays', async () => {
    const [admin, user] = await Promise.all([room().connected(), room().connectedUser()]);
    const closed = user.closed();

    const { status } = await admin.call('POST', `/sessions/${user.id}/disconnect`);

    assert.equal(status, 204);
    await user.next('system/disconnect', ({ payload }) => payload.message === 'session disconnected');
    assert.equal(await closed, 1006);
    await admin.next('session/state', ({ payload }) => payload.id === user.id && !payload.is_connected);
    assert.equal((await user.call('GET', '/whoami')).status, 200);
    assert.deepEqual(await admin.call('POST', '/sessions/nobody/disconnect'), refused(400, 'session not found'));
  });
});

function login(baseUrl: string, body: unknown): Promise<Response> {
  return fetch(`${baseUrl}/api/login`, { method: 'POST', body: JSON.stringify(body) });
}

/** A client that did not log in, with that token. */
function asBearer(baseUrl: string, token: string): NekoClient {
  return NekoClient.of(baseUrl, { id: '', token });
}
