import { expect, test } from 'vitest';
import { readMessage, readProblem } from './messages.ts';

const PROFILE = { name: 'Ada', is_admin: false, can_login: true, can_connect: true, can_watch: true, can_host: true };

function frame(event: string, payload?: unknown): string {
  return JSON.stringify({ event, payload });
}

test('the first message tells who is here, who has control and how large the desktop is', () => {
  const message = readMessage(
    frame('system/init', {
      session_id: 'ada-1',
      control_host: { id: '', has_host: true, host_id: 'ada-1' },
      screen_size: { width: 1280, height: 720, rate: 25 },
      sessions: { 'ada-1': { id: 'ada-1', profile: PROFILE, state: { is_connected: true, is_watching: true } } },
      settings: { private_mode: false, locked_controls: false, implicit_hosting: false },
      touch_events: true,
      webrtc: { videos: ['main', 'small'] },
    }),
  );

  expect(message).toEqual({
    event: 'system/init',
    payload: {
      sessionId: 'ada-1',
      hostId: 'ada-1',
      screen: { width: 1280, height: 720, rate: 25 },
      members: [
        {
          id: 'ada-1',
          name: 'Ada',
          rights: { canHost: true, canWatch: true, canAccessClipboard: false, canShareMedia: false, canResize: false },
          isWatching: true,
        },
      ],
      settings: { lockedControls: false, implicitHosting: false },
      touchEvents: true,
      videos: ['main', 'small'],
    },
  });
});

test('a stream without ICE servers is offered with an empty list', () => {
  const message = readMessage(
    frame('signal/provide', { sdp: 'v=0', iceservers: null, video: { disabled: false }, audio: { disabled: true } }),
  );

  expect(message).toEqual({
    event: 'signal/provide',
    payload: { sdp: 'v=0', iceServers: [], video: { id: '', isAuto: false } },
  });
});

test("an ICE server's credentials are kept, and left out where there are none", () => {
  const servers = [{ urls: ['turn:t.example'], username: 'u', credential: 'c' }, { urls: ['stun:s.example'] }];
  const message = readMessage(
    frame('signal/provide', { sdp: '', iceservers: servers, video: {}, audio: { disabled: false } }),
  );

  expect(message).toMatchObject({ payload: { iceServers: servers } });
});

test("the gateway's explanation is read and cut to a length that can be shown", () => {
  const message = readMessage(
    frame('gateway/error', { code: 'KICKED', message: 'x'.repeat(100_000), retryable: false }),
  );

  expect(message).toEqual({
    event: 'gateway/error',
    payload: { code: 'KICKED', message: 'x'.repeat(4096), retryable: false },
  });
});

test.each([
  ['no JSON', 'nonsense'],
  ['a binary frame', new ArrayBuffer(4)],
  ['no object', '[1,2]'],
  ['no event', '{}'],
  ['an event of a plugin', frame('chat/init', { enabled: true })],
  ['the name of a built-in', frame('constructor', {})],
  ['a payload of the wrong shape', frame('control/host', { has_host: 'yes' })],
  ['a host without a name', frame('control/host', { has_host: true })],
  ['sessions that are no objects', frame('session/created', { id: 'a', profile: null })],
])('%s is passed over', (_name, data) => {
  expect(readMessage(data)).toBeUndefined();
});

test('a refusal is read from problem+json, and nothing else is taken for one', () => {
  expect(readProblem({ code: 'ACCESS_EXPIRED', title: 'Expired', detail: 'It ended at noon.' })).toEqual({
    code: 'ACCESS_EXPIRED',
    message: 'It ended at noon.',
  });
  expect(readProblem({ error: 'proxy' })).toBeUndefined();
  expect(readProblem(null)).toBeUndefined();
});
