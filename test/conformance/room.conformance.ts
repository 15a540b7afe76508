import { assert, test } from 'vitest';
import { DONE, refused, fields } from './answers.ts';
import { describeRoom, takeControls } from './room.ts';
import { frameSizes } from './video.ts';

describeRoom('the screen', { busy: true }, (room) => {
  test('is read by who may watch', async () => {
    const user = await room().user();

    const { body } = await user.call('GET', '/room/screen');

    assert.deepInclude(body, { width: 1280, height: 720 });
    assert.isNumber(fields(body)['rate']);
  });

  test('lists its configurations to administrators', async () => {
    const [admin, user] = await Promise.all([room().admin(), room().user()]);

    const { body } = await admin.call('GET', '/room/screen/configurations');

    assert.ok(Array.isArray(body) && body.length > 5);
    for (const size of body) assert.sameMembers(Object.keys(fields(size)), ['width', 'height', 'rate']);
    assert.deepEqual(await user.call('GET', '/room/screen/configurations'), refused(403, 'session is not admin'));
  });

  test('is set by administrators over the WebSocket, to any size; all are told', async () => {
    const [admin, user] = await Promise.all([room().connected(), room().connectedUser()]);

    admin.send('screen/set', { width: 1000, height: 650, rate: 25 });

    const { payload } = await user.next('screen/updated');
    assert.deepEqual([payload.id, payload.width, payload.height], [admin.id, 1000, 650]);
    assert.deepInclude((await user.call('GET', '/room/screen')).body, { width: 1000, height: 650 });
  });

  test('’s width is rounded down to a multiple of 8', async () => {
    const admin = await room().connected();

    admin.send('screen/set', { width: 1005, height: 655, rate: 25 });

    const { payload } = await admin.next('screen/updated');
    assert.deepEqual([payload.width, payload.height], [1000, 655]);
  });

  test('is set by administrators over REST, which answers with what was asked', async () => {
    const [admin, user] = await Promise.all([room().connected(), room().user()]);
    const size = { width: 1280, height: 720, rate: 25 };

    const { status, body } = await admin.call('POST', '/room/screen', size);

    assert.deepEqual([status, body], [200, size]);
    assert.equal((await admin.next('screen/updated')).payload.id, admin.id);
    assert.deepEqual(await user.call('POST', '/room/screen', size), refused(403, 'session is not admin'));
    assert.deepEqual(await admin.call('POST', '/room/screen'), refused(400, 'no data provided'));
  });

  test('is not set by users', async () => {
    const user = await room().connectedUser();

    user.send('screen/set', { width: 800, height: 600, rate: 25 });
    await user.settle();

    assert.deepInclude((await user.call('GET', '/room/screen')).body, { width: 1280, height: 720 });
  });

  test('that is resized changes the picture: a key frame of the new size on the same stream', async () => {
    const { client, media } = await room().watching();
    await media.firstKeyFrame;

    client.send('screen/set', { width: 800, height: 600, rate: 25 });
    await media.until(() => frameSizes(media).at(-1) === '800x600');
    client.send('screen/set', { width: 1280, height: 720, rate: 25 });
    await media.until(() => frameSizes(media).at(-1) === '1280x720');

    assert.equal(new Set(media.video.map(({ header }) => header.ssrc)).size, 1);
  });
});

describeRoom('the clipboard', { display: true }, (room) => {
  test('is the host’s alone', async () => {
    const [host, other] = await Promise.all([room().connected(), room().connected('other')]);

    assert.deepEqual(await other.call('GET', '/room/clipboard'), refused(403, 'session is not host'));
    assert.deepEqual(await other.call('POST', '/room/clipboard', { text: 'x' }), refused(403, 'session is not host'));
    await host.call('POST', '/profile', { can_access_clipboard: false });
    assert.deepEqual(await host.call('GET', '/room/clipboard'), refused(403, 'session cannot access clipboard'));
  });

  test('is set and read by the host over REST', async () => {
    const host = await room().connected();
    await takeControls(host);

    assert.deepEqual(await host.call('POST', '/room/clipboard', { text: 'schön, 漢字 🎉\nsecond line' }), DONE);

    const { body } = await host.call('GET', '/room/clipboard');
    assert.equal(fields(body)['text'], 'schön, 漢字 🎉\nsecond line');
  });

  test('is set by the host over the WebSocket, and told to the host as clipboard/updated', async () => {
    const host = await room().connected();
    await takeControls(host);

    host.send('clipboard/set', { text: 'over the socket' });

    assert.equal((await host.next('clipboard/updated')).payload.text, 'over the socket');
    const { body } = await host.call('GET', '/room/clipboard');
    assert.equal(fields(body)['text'], 'over the socket');
  });

  test('is not set by who is not the host, nor told to others', async () => {
    const [host, other] = await Promise.all([room().connected(), room().connected('other')]);
    await takeControls(host);

    other.send('clipboard/set', { text: 'from another' });
    await other.settle();
    host.send('clipboard/set', { text: 'from the host' });

    assert.equal((await host.next('clipboard/updated')).payload.text, 'from the host');
    await other.settle();
    assert.ok(other.log.every(({ event }) => event !== 'clipboard/updated'));
  });

  test('takes a text of 300 000 characters', async () => {
    const host = await room().connected();
    await takeControls(host);
    const text = 'ä'.repeat(300_000);

    assert.deepEqual(await host.call('POST', '/room/clipboard', { text }), DONE);

    assert.equal(fields((await host.call('GET', '/room/clipboard')).body)['text'], text);
    assert.equal((await host.next('clipboard/updated')).payload.text, text);
  });

  test('that a program of the desktop sets is told to the host', async () => {
    const host = await room().connected();
    await takeControls(host);
    await using _owner = room().desktop.copy('from a program');

    assert.equal((await host.next('clipboard/updated')).payload.text, 'from a program');
    assert.equal(fields((await host.call('GET', '/room/clipboard')).body)['text'], 'from a program');
  });
});

describeRoom('the keyboard', { display: true }, (room) => {
  test('has a map, which who may host reads and the host sets', async () => {
    const [host, other] = await Promise.all([room().connected(), room().user()]);
    await takeControls(host);
    const { body: before } = await other.call('GET', '/room/keyboard/map');

    assert.deepEqual(await host.call('POST', '/room/keyboard/map', { layout: 'de', variant: 'nodeadkeys' }), DONE);

    assert.sameMembers(Object.keys(fields(before)), ['layout', 'variant']);
    assert.deepEqual((await other.call('GET', '/room/keyboard/map')).body, { layout: 'de', variant: 'nodeadkeys' });
    assert.deepEqual(
      await other.call('POST', '/room/keyboard/map', { layout: 'us' }),
      refused(403, 'session is not host'),
    );
    assert.deepEqual(await host.call('POST', '/room/keyboard/map', { layout: 'us', variant: '' }), DONE);
    assert.deepEqual((await other.call('GET', '/room/keyboard/map')).body, { layout: 'us', variant: '' });
  });

  test('’s map is set by the host over the WebSocket', async () => {
    const host = await room().connected();
    await takeControls(host);

    host.send('keyboard/map', { layout: 'fr', variant: '' });
    await host.settle();

    assert.deepEqual((await host.call('GET', '/room/keyboard/map')).body, { layout: 'fr', variant: '' });
    host.send('keyboard/map', { layout: 'us' });
    await host.settle();
    assert.deepEqual((await host.call('GET', '/room/keyboard/map')).body, { layout: 'us', variant: '' });
  });

  test('has modifiers, which who may host reads and the host locks', async () => {
    const [host, other] = await Promise.all([room().connected(), room().user()]);
    await takeControls(host);
    const off = {
      shift: false,
      capslock: false,
      control: false,
      alt: false,
      numlock: false,
      meta: false,
      super: false,
      altgr: false,
    };
    assert.deepEqual((await other.call('GET', '/room/keyboard/modifiers')).body, off);

    assert.deepEqual(await host.call('POST', '/room/keyboard/modifiers', { capslock: true, numlock: true }), DONE);

    assert.deepEqual((await other.call('GET', '/room/keyboard/modifiers')).body, {
      ...off,
      capslock: true,
      numlock: true,
    });
    assert.equal((await room().desktop.pointer()).mask, 0x12);
    assert.deepEqual(await other.call('POST', '/room/keyboard/modifiers', {}), refused(403, 'session is not host'));
    host.send('keyboard/modifiers', { capslock: false, numlock: false });
    await host.settle();
    assert.deepEqual((await other.call('GET', '/room/keyboard/modifiers')).body, off);
  });

  test('’s modifiers that are not named stay as they are', async () => {
    const host = await room().connected();
    await takeControls(host);

    host.send('keyboard/modifiers', { capslock: true });
    host.send('keyboard/modifiers', { shift: true });
    host.send('keyboard/modifiers', { shift: false });
    await host.settle();

    const { body } = await host.call('GET', '/room/keyboard/modifiers');
    assert.deepInclude(body, { capslock: true, shift: false });
    host.send('keyboard/modifiers', { capslock: false });
    await host.settle();
  });

  test('is not changed by who is not the host', async () => {
    const other = await room().connected();

    other.send('keyboard/modifiers', { capslock: true });
    other.send('keyboard/map', { layout: 'de' });
    await other.settle();

    assert.equal((await room().desktop.pointer()).mask, 0);
    assert.deepEqual((await other.call('GET', '/room/keyboard/map')).body, { layout: 'us', variant: '' });
  });
});

describeRoom('messages between clients', {}, (room) => {
  test('go to one by send/unicast, with the sender', async () => {
    const [sender, receiver, other] = await Promise.all([
      room().connected(),
      room().connectedUser(),
      room().connectedUser(),
    ]);

    sender.send('send/unicast', { receiver: receiver.id, subject: 'greeting', body: { deep: [1, 'two', null] } });

    assert.deepEqual((await receiver.next('send/unicast')).payload, {
      sender: sender.id,
      receiver: receiver.id,
      subject: 'greeting',
      body: { deep: [1, 'two', null] },
    });
    await other.settle();
    assert.equal(other.log.filter(({ event }) => event === 'send/unicast').length, 1);
  });

  test('go to nobody where the receiver is unknown', async () => {
    const sender = await room().connected();
    const before = sender.log.length;

    sender.send('send/unicast', { receiver: 'nobody', subject: 'lost' });
    await sender.settle();

    assert.equal(sender.log.slice(before).filter(({ event }) => event.startsWith('send/')).length, 1);
  });

  test('go to all others by send/broadcast, without a receiver', async () => {
    const [sender, first, second] = await Promise.all([
      room().connectedUser(),
      room().connected(),
      room().connectedUser(),
    ]);

    sender.send('send/broadcast', { subject: 'all', body: 5 });

    const expected = { sender: sender.id, subject: 'all', body: 5 };
    assert.deepInclude((await first.next('send/broadcast')).payload, expected);
    assert.deepInclude((await second.next('send/broadcast')).payload, expected);
    await sender.settle();
    assert.ok(sender.log.every(({ event }) => event !== 'send/broadcast'));
  });
});

describeRoom('the room’s settings', {}, (room) => {
  test('are read and set by administrators; fields left out stay; all are told', async () => {
    const [admin, user] = await Promise.all([room().admin(), room().connectedUser()]);
    const { body: before } = await admin.call('GET', '/room/settings');

    assert.deepEqual(await admin.call('POST', '/room/settings', { implicit_hosting: true }), DONE);

    const { payload } = await user.next('system/settings');
    assert.deepEqual<unknown>(payload, { ...fields(before), implicit_hosting: true, id: admin.id });
    assert.deepEqual((await admin.call('GET', '/room/settings')).body, { ...fields(before), implicit_hosting: true });
    assert.deepEqual(await admin.call('POST', '/room/settings', { implicit_hosting: false }), DONE);
    assert.deepEqual(await user.call('GET', '/room/settings'), refused(403, 'session is not admin'));
    assert.deepEqual(await user.call('POST', '/room/settings', {}), refused(403, 'session is not admin'));
  });

  test('are not taken from what is no JSON: 400', async () => {
    const admin = await room().admin();

    assert.deepEqual(await admin.call('POST', '/room/settings', 'text'), refused(400, 'unable to parse provided data'));
    assert.deepEqual(await admin.call('POST', '/room/settings'), refused(400, 'unable to parse provided data'));
  });

  test('that lock logins keep users out, 403 logins are locked, and let administrators in', async () => {
    const admin = await room().admin();
    await admin.call('POST', '/room/settings', { locked_logins: true });

    const response = await room().fetch('/api/login', {
      method: 'POST',
      body: JSON.stringify({ username: 'late', password: room().passwords.user }),
    });
    const other = await room().admin('other');

    assert.deepEqual(await response.json(), { code: 403, message: 'logins are locked' });
    assert.equal((await other.call('GET', '/whoami')).status, 200);
    await admin.call('POST', '/room/settings', { locked_logins: false });
  });

  test('that lock controls take them from a user and refuse them to users, not to administrators', async () => {
    const [admin, user] = await Promise.all([room().connected(), room().connectedUser()]);
    await takeControls(user);

    await admin.call('POST', '/room/settings', { locked_controls: true });

    await user.next('control/host', ({ payload }) => !payload.has_host);
    user.send('control/request');
    user.send('control/move', { x: 1, y: 1 });
    await user.settle();
    assert.deepEqual((await user.call('GET', '/room/control')).body, { has_host: false });
    assert.deepEqual(await user.call('POST', '/room/control/request'), refused(403, 'controls are locked'));
    await takeControls(admin);
    await admin.call('POST', '/room/settings', { locked_controls: false });
  });

  test('with control protection lock the controls while no administrator is connected', async () => {
    const [admin, user] = await Promise.all([room().connected(), room().connectedUser()]);
    assert.deepEqual(await admin.call('POST', '/room/settings', { control_protection: true }), DONE);
    await user.next('system/settings', ({ payload }) => payload.control_protection);
    await takeControls(user);

    admin.socket?.close(1000);

    await user.next('system/settings', ({ payload }) => payload.locked_controls);
    await user.next('control/host', ({ payload }) => !payload.has_host);
    await admin.connect();
    await user.next('system/settings', ({ payload }) => !payload.locked_controls);
    await admin.call('POST', '/room/settings', { control_protection: false });
    await takeControls(user);
  });
});
