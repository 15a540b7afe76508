import assert from 'node:assert/strict';
import { test } from 'vitest';
import { connect, NekogateError, type Answer, type Desktop } from '../sdk/index.ts';
import { Desks, type OpenDesktop } from './desks.ts';

const SIGNAL = new AbortController().signal;
const SCOPE = { sessions: ['s-1', 's-2'], mayDrive: true, mayManage: false };
const DONE: Answer = { ok: true, space: { width: 3000, height: 1500 }, results: [] };

test('calls of a session share one desktop, whose access ends with the server', async () => {
  const house = openingHouse();
  const desks = new Desks(house.open, SCOPE);

  await Promise.all([desks.act('s-1', [], SIGNAL), desks.act('s-1', [], SIGNAL), desks.act('s-2', [], SIGNAL)]);
  await Promise.all([desks.close(), desks.close()]);

  assert.deepEqual(house.opened.toSorted(), ['s-1', 's-2']);
  assert.deepEqual(house.closed.toSorted(), ['s-1', 's-2']);
  await assert.rejects(desks.act('s-1', [], SIGNAL), { code: 'SHUTTING_DOWN' });
});

test('an access that is no more is replaced at the next call, and a desktop that could not be opened tried again', async () => {
  const failures = [new NekogateError('AGENT_OFFLINE', 'away'), undefined, new NekogateError('ACCESS_EXPIRED', 'over')];
  const house = openingHouse(() => failures.shift());
  await using desks = new Desks(house.open, SCOPE);

  await assert.rejects(desks.act('s-1', [], SIGNAL), { code: 'AGENT_OFFLINE' });
  await assert.rejects(desks.act('s-1', [], SIGNAL), { code: 'ACCESS_EXPIRED' });
  await desks.act('s-1', [], SIGNAL);

  assert.deepEqual(house.opened, ['s-1', 's-1', 's-1']);
  assert.deepEqual(house.closed, ['s-1']);
});

test('a session has to be named where there are several, and to be in scope, before anything is opened', async () => {
  const house = openingHouse();
  await using desks = new Desks(house.open, SCOPE);

  await assert.rejects(desks.act(undefined, [], SIGNAL), { code: 'BAD_REQUEST' });
  await assert.rejects(desks.act('s-3', [], SIGNAL), { code: 'FORBIDDEN' });
  desks.admit('s-3');
  await desks.act('s-3', [], SIGNAL);

  assert.deepEqual(house.opened, ['s-3']);
});

test('of many calls at once those beyond the limit are refused, and those before it go on', async () => {
  const house = openingHouse();
  await using desks = new Desks(house.open, SCOPE);

  const calls = await Promise.allSettled(Array.from({ length: 9 }, () => desks.act('s-1', [], SIGNAL)));

  const refused = calls.filter((call) => call.status === 'rejected').map(({ reason }): unknown => reason);
  assert.equal(refused.length, 1);
  assert.ok(refused[0] instanceof NekogateError && refused[0].code === 'TOO_MANY_REQUESTS');
});

/** Desktops that do what they are told, but for the failures. */
function openingHouse(fail: () => Error | undefined = () => undefined) {
  const opened: string[] = [];
  const closed: string[] = [];
  const open: OpenDesktop = async (sessionId) => {
    opened.push(sessionId);
    const act: Desktop['act'] = async () => {
      const failure = fail();
      if (failure) throw failure;
      return DONE;
    };
    return {
      ...connect({ url: 'http://127.0.0.1:1', token: 'of-nobody' }).desktop(sessionId),
      act,
      [Symbol.asyncDispose]: async () => {
        closed.push(sessionId);
      },
    };
  };
  return { open, opened, closed };
}
