import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { CLIPBOARD_TEXT_MAX_LENGTH, decodeFromClient, decodeFromServer, type FromClient } from './messages.ts';

describe('a client’s message', () => {
  test('of every event in neko’s table is known', () => {
    for (const event of [
      'client/heartbeat',
      'signal/restart',
      'control/release',
      'control/request',
      'control/cut',
      'control/copy',
      'control/select_all',
    ]) {
      assert.equal(read(event).event, event);
    }
    for (const event of [
      'move',
      'scroll',
      'buttonpress',
      'buttondown',
      'buttonup',
      'keypress',
      'keydown',
      'keyup',
      'touchbegin',
      'touchupdate',
      'touchend',
      'paste',
    ]) {
      assert.equal(read(`control/${event}`, {}).event, `control/${event}`);
    }
    for (const event of [
      'signal/request',
      'signal/offer',
      'signal/answer',
      'signal/candidate',
      'signal/video',
      'signal/audio',
      'screen/set',
      'clipboard/set',
      'keyboard/map',
      'keyboard/modifiers',
      'send/unicast',
      'send/broadcast',
    ]) {
      assert.equal(read(event, {}).event, event);
    }
    assert.equal(read('system/logs', []).event, 'system/logs');
  });

  test('has zeros where a field is missing or null, as Go reads it', () => {
    assert.deepEqual(read('control/move', { y: null }), { event: 'control/move', payload: { x: 0, y: 0 } });
    assert.deepEqual(read('control/move', null), { event: 'control/move', payload: { x: 0, y: 0 } });
  });

  test('keeps a coordinate of 0 apart from none', () => {
    const at = read('control/buttondown', { code: 1, x: 0, y: 0 });
    const nowhere = read('control/buttondown', { code: 1 });

    assert.deepEqual(at.payload, { code: 1, x: 0, y: 0 });
    assert.deepEqual(nowhere.payload, { code: 1 });
  });

  test('may have fields that we do not know', () => {
    assert.deepEqual(read('signal/answer', { sdp: 'v=0', type: 'answer' }).payload, { sdp: 'v=0', type: 'answer' });
  });

  test('with a candidate as browsers write it is taken', () => {
    const message = read('signal/candidate', {
      candidate: 'candidate:1 1 udp 1 1.2.3.4 5 typ host',
      sdpMid: '0',
      sdpMLineIndex: 0,
      usernameFragment: null,
    });
    const last = read('signal/candidate', { candidate: '' });

    assert.equal(message.event, 'signal/candidate');
    assert.deepEqual(last.payload, { candidate: '' });
  });

  test('of an unknown event is UNKNOWN_EVENT', () => {
    assert.throws(() => read('control/nuke', {}), { code: 'UNKNOWN_EVENT' });
    assert.throws(() => read('system/init', {}), { code: 'UNKNOWN_EVENT' });
    assert.throws(() => read('constructor', {}), { code: 'UNKNOWN_EVENT' });
  });

  for (const frame of [
    '',
    '{',
    '[]',
    '"x"',
    'null',
    '{"payload":{}}',
    '{"event":7}',
    `{"event":"${'x'.repeat(65)}"}`,
  ]) {
    test(`that is ${frame.slice(0, 20) || 'empty'} is BAD_FRAME`, () => {
      assert.throws(() => decodeFromClient(frame), { code: 'BAD_FRAME' });
    });
  }

  test('with a payload of the wrong shape is BAD_FRAME', () => {
    assert.throws(() => read('control/move', { x: '1' }), { code: 'BAD_FRAME' });
    assert.throws(() => read('control/move', { x: 1.5 }), { code: 'BAD_FRAME' });
    assert.throws(() => read('control/move'), { code: 'BAD_FRAME' });
    assert.throws(() => read('signal/request', { video: { selector: { type: 'best' } } }), { code: 'BAD_FRAME' });
  });

  test('beyond a limit is BAD_FRAME, and the error does not repeat its text', () => {
    const secret = 'hunter2'.repeat(CLIPBOARD_TEXT_MAX_LENGTH / 7 + 1);

    assert.throws(
      () => read('clipboard/set', { text: secret }),
      (error: Error) => !error.message.includes('hunter2'),
    );
  });
});

describe('a neko’s message', () => {
  const profile = {
    name: 'x',
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
  const state = { is_connected: false, is_watching: false };
  const settings = {
    private_mode: false,
    locked_logins: false,
    locked_controls: false,
    control_protection: false,
    implicit_hosting: false,
    inactive_cursors: false,
    merciful_reconnect: true,
    heartbeat_interval: 10,
    plugins: null,
  };

  test('system/init is read with its sessions', () => {
    const message = decodeFromServer(
      JSON.stringify({
        event: 'system/init',
        payload: {
          session_id: 'x-1',
          control_host: { id: '', has_host: false },
          screen_size: { width: 1280, height: 720, rate: 30 },
          sessions: { 'x-1': { id: 'x-1', profile, state } },
          settings,
          touch_events: false,
          screencast_enabled: false,
          webrtc: { videos: ['main'] },
        },
      }),
    );

    assert.ok(message.event === 'system/init');
    assert.equal(message.payload.sessions['x-1']?.profile.can_host, true);
  });

  test('without a payload is taken where neko sends none', () => {
    assert.equal(decodeFromServer('{"event":"system/heartbeat"}').event, 'system/heartbeat');
    assert.equal(decodeFromServer('{"event":"signal/close","payload":null}').event, 'signal/close');
  });

  test('of an unknown event is UNKNOWN_EVENT, of a bad shape BAD_FRAME', () => {
    assert.throws(() => decodeFromServer('{"event":"client/heartbeat"}'), { code: 'UNKNOWN_EVENT' });
    assert.throws(() => decodeFromServer('{"event":"control/host","payload":{"id":1}}'), { code: 'BAD_FRAME' });
  });
});

function read(event: string, payload?: unknown): FromClient {
  return decodeFromClient(JSON.stringify({ event, payload }));
}
