import { assert, test } from 'vitest';
import { DONE, refused } from './answers.ts';
import { describeRoom, takeControls } from './room.ts';

describeRoom('the controls', {}, (room) => {
  test('are had by who requests them while nobody has them; all are told', async () => {
    const [client, watcher] = await Promise.all([room().connectedUser(), room().connected()]);

    client.send('control/request');

    const told = { id: client.id, has_host: true, host_id: client.id };
    assert.deepEqual((await client.next('control/host')).payload, told);
    assert.deepEqual((await watcher.next('control/host')).payload, told);
  });

  test('requested while another has them are asked for: the host gets control/request with who it was', async () => {
    const [host, other] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(host);

    other.send('control/request');

    assert.deepEqual((await host.next('control/request')).payload, { id: other.id });
    await other.settle();
    assert.equal(other.log.filter(({ event }) => event === 'control/host').length, 1);
  });

  test('requested by their host change nothing', async () => {
    const host = await room().connected();
    await takeControls(host);

    host.send('control/request');
    await host.settle();

    assert.ok(host.messages.every(({ event }) => event !== 'control/host' && event !== 'control/request'));
  });

  test('are released by their host; all are told', async () => {
    const [host, watcher] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(host);

    host.send('control/release');

    const { payload } = await watcher.next('control/host', (message) => !message.payload.has_host);
    assert.deepEqual(payload, { id: host.id, has_host: false });
  });

  test('are not released by anybody else', async () => {
    const [host, other] = await Promise.all([room().connected(), room().connected('other')]);
    await takeControls(host);

    other.send('control/release');
    await other.settle();

    assert.deepEqual((await other.call('GET', '/room/control')).body, { has_host: true, host_id: host.id });
  });

  test('are not given to who may not host', async () => {
    const client = await room().connected();
    await client.call('POST', '/profile', { can_host: false });

    client.send('control/request');
    client.send('control/move', { x: 1, y: 1 });
    await client.settle();

    assert.ok(client.log.every(({ event }) => event !== 'control/host'));
    assert.deepEqual(await client.call('GET', '/room/control'), refused(403, 'session cannot host'));
    assert.deepEqual(await client.call('POST', '/room/control/request'), refused(403, 'session cannot host'));
  });

  test.each([
    ['control/move', { x: 5, y: 6 }],
    ['control/scroll', { delta_y: 1 }],
    ['control/buttonpress', { code: 1 }],
    ['control/buttondown', { code: 1 }],
    ['control/buttonup', { code: 1 }],
    ['control/keypress', { keysym: 0x61 }],
    ['control/keydown', { keysym: 0x61 }],
    ['control/keyup', { keysym: 0x61 }],
    ['control/touchbegin', { touch_id: 1, x: 1, y: 1, pressure: 255 }],
    ['control/touchupdate', { touch_id: 1, x: 1, y: 1, pressure: 255 }],
    ['control/touchend', { touch_id: 1, x: 1, y: 1, pressure: 0 }],
    ['control/cut', undefined],
    ['control/copy', undefined],
    ['control/paste', {}],
    ['control/select_all', undefined],
  ])('are taken by %s where nobody has them', async (event, payload) => {
    const client = await room().connectedUser();

    client.send(event, payload);

    const host = await client.next('control/host');
    assert.equal(host.payload.host_id, client.id);
  });

  test('are asked for by input of another while somebody has them', async () => {
    const [host, other] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(host);

    other.send('control/move', { x: 9, y: 9 });

    assert.deepEqual((await host.next('control/request')).payload, { id: other.id });
  });
});

describeRoom('the controls over REST', {}, (room) => {
  test('are requested: 204, then 202 “control request sent” for others, and the host is told', async () => {
    const [host, other] = await Promise.all([room().connected(), room().user()]);
    assert.deepEqual((await host.call('GET', '/room/control')).body, { has_host: false });

    assert.deepEqual(await host.call('POST', '/room/control/request'), DONE);

    assert.deepEqual((await other.call('GET', '/room/control')).body, { has_host: true, host_id: host.id });
    assert.deepEqual(await other.call('POST', '/room/control/request'), refused(202, 'control request sent'));
    assert.deepEqual((await host.next('control/request')).payload, { id: other.id });
  });

  test('are released by their host, 204; for others 422', async () => {
    const [host, other] = await Promise.all([room().connected(), room().user()]);
    await takeControls(host);

    assert.deepEqual(await other.call('POST', '/room/control/release'), refused(422, 'session is not the host'));
    assert.deepEqual(await host.call('POST', '/room/control/release'), DONE);

    await host.next('control/host', ({ payload }) => !payload.has_host);
  });

  test('are taken by administrators', async () => {
    const [user, admin] = await Promise.all([room().connectedUser(), room().admin()]);
    await takeControls(user);

    assert.deepEqual(await admin.call('POST', '/room/control/take'), DONE);

    const { payload } = await user.next('control/host');
    assert.deepEqual(payload, { id: admin.id, has_host: true, host_id: admin.id });
    assert.deepEqual(await user.call('POST', '/room/control/take'), refused(403, 'session is not admin'));
  });

  test('are given by the host and by administrators to who may host', async () => {
    const [user, other, admin] = await Promise.all([room().connectedUser(), room().connectedUser(), room().admin()]);

    assert.deepEqual(await admin.call('POST', `/room/control/give/${user.id}`), DONE);
    const first = await user.next('control/host');
    assert.deepEqual(
      await other.call('POST', `/room/control/give/${other.id}`),
      refused(403, 'session is not host or admin'),
    );
    assert.deepEqual(await user.call('POST', `/room/control/give/${other.id}`), DONE);
    const second = await user.next('control/host');

    assert.deepEqual(first.payload, { id: admin.id, has_host: true, host_id: user.id });
    assert.deepEqual(second.payload, { id: user.id, has_host: true, host_id: other.id });
  });

  test('are not given to nobody, nor to who may not host', async () => {
    const [admin, watcher] = await Promise.all([room().admin(), room().admin('watcher')]);
    await watcher.call('POST', '/profile', { can_host: false });

    assert.deepEqual(
      await admin.call('POST', '/room/control/give/nobody'),
      refused(404, 'target session was not found'),
    );
    assert.deepEqual(
      await admin.call('POST', `/room/control/give/${watcher.id}`),
      refused(400, 'target session is not allowed to host'),
    );
  });

  test('are reset by administrators, whether anybody has them or not', async () => {
    const [user, admin] = await Promise.all([room().connectedUser(), room().admin()]);
    await takeControls(user);

    assert.deepEqual(await user.call('POST', '/room/control/reset'), refused(403, 'session is not admin'));
    assert.deepEqual(await admin.call('POST', '/room/control/reset'), DONE);

    const { payload } = await user.next('control/host');
    assert.deepEqual(payload, { id: admin.id, has_host: false });
    assert.deepEqual(await admin.call('POST', '/room/control/reset'), DONE);
  });
});
