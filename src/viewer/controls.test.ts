import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { InputEvent } from '../input/data-channel.ts';
import { Controls } from './controls.ts';
import type { Program } from './messages.ts';
import { Room } from './room.ts';

const PRESS: InputEvent = { type: 'button', down: true, button: 1 };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('without control nothing is sent', () => {
  const desk = openDesk();

  desk.controls.send(PRESS);

  expect(desk.sent).toEqual([]);
});

test('a press on a free desktop takes control, and what follows waits for the grant', () => {
  const desk = openDesk();

  expect(desk.controls.claim()).toBe(true);
  desk.controls.send(PRESS);
  expect(desk.requests).toBe(1);
  expect(desk.sent).toEqual([]);

  desk.give('me');
  expect(desk.sent).toEqual([PRESS]);
  expect(desk.controls.status).toMatchObject({ control: { holder: 'me' }, isAsking: false });
});

test('a press that is granted nothing is dropped, and the person is told', () => {
  const desk = openDesk();
  desk.controls.claim();
  desk.controls.send(PRESS);

  vi.advanceTimersByTime(2000);
  desk.give('me');

  expect(desk.notices).toEqual(['Control was not granted.']);
  expect(desk.sent).toEqual([]);
});

test('who presses second is told who was faster', () => {
  const desk = openDesk();
  desk.controls.claim();
  desk.controls.send(PRESS);

  desk.give('other');

  expect(desk.notices).toEqual(['Grace was faster and has control.']);
  expect(desk.controls.takesInput).toBe(false);
});

test('control of somebody else is never taken by a press, and taken once it is let go when asked for', () => {
  const desk = openDesk();
  desk.give('other');

  expect(desk.controls.claim()).toBe(false);
  expect(desk.notices).toEqual(['Grace has control. Ask for it in the bar below.']);

  desk.controls.request();
  desk.give(undefined);
  expect(desk.requests).toBe(2);
});

test('a login that may only watch can neither claim nor ask', () => {
  const desk = openDesk({ canHost: false });

  expect(desk.controls.claim()).toBe(false);
  desk.controls.request();

  expect(desk.requests).toBe(0);
  expect(desk.notices).toEqual(['You are watching. This access cannot control the desktop.']);
});

test('a viewer that is set to view only lets go of control', () => {
  const desk = openDesk();
  desk.give('me');

  desk.controls.setViewOnly(true);

  expect(desk.releases).toBe(1);
  expect(desk.controls.takesInput).toBe(false);
});

test('the holder sees who asks, until control moves on', () => {
  const desk = openDesk();
  desk.give('me');

  desk.controls.asked('other');
  expect(desk.controls.status.askedBy).toBe('Grace');

  desk.give('other');
  expect(desk.controls.status.askedBy).toBeUndefined();
  expect(desk.notices).toEqual(['Grace took control.']);
});

test('who keeps control lets the one who asked know', () => {
  const desk = openDesk();
  desk.give('me');
  desk.controls.asked('other');

  desk.controls.keep();

  expect(desk.kept).toEqual(['other']);
  expect(desk.controls.status.askedBy).toBeUndefined();
});

test('who asked and was refused is told by whom, and no longer waits; nobody else can refuse', () => {
  const desk = openDesk();
  desk.give('other');
  desk.controls.request();

  desk.controls.refused('somebody');
  expect(desk.controls.status.isAsking).toBe(true);
  desk.controls.refused('other');

  expect(desk.notices).toEqual(['Grace keeps control.']);
  expect(desk.controls.status.isAsking).toBe(false);
  desk.give(undefined);
  expect(desk.requests).toBe(1);
});

test('control stays here while signaling is away', () => {
  const desk = openDesk();
  desk.give('me');

  desk.controls.suspend();
  desk.controls.send(PRESS);

  expect(desk.sent).toEqual([PRESS]);
});

test('input that waits when the connection is lost is not sent to whoever comes back', () => {
  const desk = openDesk();
  desk.controls.claim();
  desk.controls.send(PRESS);

  desk.room.forgetControl();
  desk.controls.suspend();
  desk.join();
  desk.give('me');

  expect(desk.sent).toEqual([]);
  expect(desk.notices).toEqual(['The connection was lost: the desktop did not get that.']);
});

test('a program that drives is told from a person, and so is one that waits for control to be handed back', () => {
  const desk = openDesk();
  const program = { id: 'other', name: 'agent', isDriving: true, untilMs: 60_000 };
  const tell = (programs: Program[]): void => desk.room.apply({ event: 'gateway/lease', payload: { programs } });
  tell([program]);

  expect(desk.controls.status.program).toBeUndefined();
  desk.give('other');
  expect(desk.controls.status.program).toEqual(program);
  expect(desk.controls.claim()).toBe(false);
  expect(desk.notices).toEqual(['Grace is driving. Take over in the bar below.']);

  tell([{ ...program, isDriving: false }]);
  desk.give('me');
  expect(desk.controls.status.program).toMatchObject({ name: 'agent', isDriving: false });

  tell([]);
  expect(desk.controls.status.program).toBeUndefined();
});

function openDesk({ canHost = true } = {}) {
  const room = new Room();
  const desk = {
    room,
    sent: [] as InputEvent[],
    notices: [] as string[],
    kept: [] as string[],
    requests: 0,
    releases: 0,
    controls: new Controls(room, {
      sendRequest: () => {
        desk.requests += 1;
        return true;
      },
      sendRelease: () => {
        desk.releases += 1;
        return true;
      },
      sendKept: (id) => {
        desk.kept.push(id);
      },
      transmit: (event) => {
        desk.sent.push(event);
      },
      changed: () => undefined,
      noticed: (text) => {
        desk.notices.push(text);
      },
    }),
    join(): void {
      const screen = { width: 1280, height: 720, rate: 25 };
      const rights = { canWatch: true, canHost, canAccessClipboard: true, canShareMedia: false, canResize: false };
      const settings = { lockedControls: false, implicitHosting: false };
      const me = { id: 'me', name: 'Ada', rights, isWatching: false };
      const other = { id: 'other', name: 'Grace', rights: { ...rights, canHost: true }, isWatching: true };
      const members = [me, other];
      const payload = { sessionId: 'me', hostId: undefined, screen, settings, members, touchEvents: false, videos: [] };
      room.apply({ event: 'system/init', payload });
      desk.controls.update();
    },
    give(hostId: string | undefined): void {
      room.apply({ event: 'control/host', payload: { hostId } });
      desk.controls.update();
    },
  };
  desk.join();
  return desk;
}
