import assert from 'node:assert/strict';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StreamControls } from './stream-controls.ts';

const NEVER = new AbortController().signal;
const REQUEST = '{"event":"control/request","payload":{}}';
const SETTINGS = {
  private_mode: false,
  locked_logins: false,
  locked_controls: false,
  control_protection: false,
  implicit_hosting: false,
  inactive_cursors: false,
  merciful_reconnect: true,
  heartbeat_interval: 10,
};

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('free controls are asked for as its client does', () => {
  const { controls, toDesktop } = open();

  expect(controls.passesToDesktop(REQUEST)).toBe(true);
  expect(controls.passesToDesktop('{"event":"signal/request","payload":{}}')).toBe(true);
  expect(toDesktop).toEqual([]);
});

test("somebody else's controls are not asked for until they are free for a moment, and its client is told whose they are", () => {
  const { controls, toDesktop, toClient } = open({ host: 'bob' });

  expect(controls.passesToDesktop(REQUEST)).toBe(false);
  expect(toClient).toEqual(['{"event":"control/host","payload":{"id":"bob","has_host":true,"host_id":"bob"}}']);
  controls.passesToClient(hostedBy(undefined));
  controls.passesToClient(hostedBy('eve'));
  vi.advanceTimersByTime(1000);
  expect(toDesktop).toEqual([]);
  controls.passesToClient(hostedBy(undefined));
  vi.advanceTimersByTime(1000);
  expect(toDesktop).toEqual(['{"event":"control/request"}']);
});

test('who may only watch asks for nothing, and who let go asks no more', () => {
  const viewer = open({ mayDrive: false });
  const leaver = open({ host: 'bob' });

  expect(viewer.controls.passesToDesktop(REQUEST)).toBe(false);
  expect(viewer.toClient).toEqual(['{"event":"control/host","payload":{"id":"","has_host":false}}']);
  leaver.controls.passesToDesktop(REQUEST);
  leaver.controls.passesToDesktop('{"event":"control/release"}');
  for (const { controls } of [viewer, leaver]) controls.passesToClient(hostedBy(undefined));
  vi.advanceTimersByTime(1000);
  expect([viewer.toDesktop, leaver.toDesktop]).toEqual([[], []]);
});

test('what it lends it does not ask for before it is to have it back', async () => {
  const { controls, toDesktop } = open();
  controls.passesToDesktop(REQUEST);
  controls.passesToClient(hostedBy('me'));

  const lent = controls.lend(NEVER);
  expect(toDesktop).toEqual(['{"event":"control/release"}']);
  controls.passesToClient(hostedBy(undefined));
  await lent;
  vi.advanceTimersByTime(1000);
  controls.passesToClient(hostedBy('calls'));
  controls.passesToClient(hostedBy(undefined));
  vi.advanceTimersByTime(1000);
  expect(toDesktop).toHaveLength(1);
  controls.takeBack();
  expect(toDesktop.slice(1)).toEqual(['{"event":"control/request"}']);
});

test('a loan ends with its call, and with the stream', async () => {
  const { controls } = open();
  controls.passesToDesktop(REQUEST);
  controls.passesToClient(hostedBy('me'));
  const gone = new AbortController();

  const broken = controls.lend(gone.signal);
  gone.abort(new Error('the caller is gone'));
  await assert.rejects(broken, /the caller is gone/);
  const ended = controls.lend(NEVER);
  controls.end();
  await ended;
  expect(controls.isWanting).toBe(false);
});

test('who asks again and again in vain is ended', () => {
  const { controls, toClient, failures } = open({ host: 'bob' });

  for (let i = 0; i < 1001; i++) controls.passesToDesktop(REQUEST);

  expect([toClient.length, failures]).toEqual([1000, ['TOO_MANY_MESSAGES']]);
});

test('frames that are not understood pass, and ours do not', () => {
  const { controls } = open();

  for (const frame of ['', '{', '[]', 'null', '{"event":7}', '{"event":"control/request"', '{"payload":{}}'])
    expect([frame, controls.passesToDesktop(frame)]).toEqual([frame, true]);
  for (const frame of ['{"event":"control/host"', '{"event":"control/host","payload":{"has_host":7}}', '{}'])
    expect([frame, controls.passesToClient(frame)]).toEqual([frame, true]);
  expect(controls.passesToClient('{"event":"gateway/error","payload":{}}')).toBe(false);
});

function open({ host, mayDrive = true }: { host?: string; mayDrive?: boolean } = {}): {
  controls: StreamControls;
  toDesktop: string[];
  toClient: string[];
  failures: string[];
} {
  const toDesktop: string[] = [];
  const toClient: string[] = [];
  const failures: string[] = [];
  const controls = new StreamControls({
    mayDrive,
    toDesktop: (frame) => toDesktop.push(frame),
    toClient: (frame) => toClient.push(frame),
    onFailure: ({ code }) => failures.push(code),
  });
  const payload = {
    session_id: 'me',
    control_host: { id: '', has_host: host !== undefined, host_id: host },
    screen_size: { width: 800, height: 600, rate: 30 },
    sessions: {},
    settings: SETTINGS,
    touch_events: false,
    screencast_enabled: false,
    webrtc: { videos: ['main'] },
  };
  expect(controls.passesToClient(JSON.stringify({ event: 'system/init', payload }))).toBe(true);
  return { controls, toDesktop, toClient, failures };
}

function hostedBy(id: string | undefined): string {
  const payload = { id: id ?? 'somebody', has_host: id !== undefined, host_id: id };
  return JSON.stringify({ event: 'control/host', payload });
}
