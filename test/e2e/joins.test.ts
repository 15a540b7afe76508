import assert from 'node:assert/strict';
import { on } from 'node:events';
import { test } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { findNeko, grant, openHouse, startDesktop, until, type House } from '../harness/house.ts';

const Event = z.object({ event: z.string() });
const JOINS = 1000;
const AT_ONCE = 8;

test('a thousand joins and leaves, kind and rude ones, leave no login behind', async () => {
  await using house = await openHouse({ loginGraceMs: 500 });
  const sessionId = await startDesktop(house, ['xterm']);
  const { token } = await grant(house, sessionId, 'viewer');
  const neko = await findNeko(house, sessionId);
  const before = await neko.sessions();

  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let i = 0; i < JOINS / AT_ONCE; i++) await joinAndLeave(house, sessionId, { token, isRude: i % 2 === 1 });
    }),
  );

  await until(
    'the last login is gone',
    () => loginsOf(house, sessionId),
    (count) => count === 0,
  );
  const after = await until(
    'the streamer has no more logins than before',
    () => neko.sessions(),
    ({ length }) => length <= before.length,
  );
  assert.deepEqual(after, before);
});

async function joinAndLeave(
  house: House,
  sessionId: string,
  { token, isRude }: { token: string; isRude: boolean },
): Promise<void> {
  const socket = new WebSocket(`${house.gateway.url.replace('http', 'ws')}/s/${sessionId}/api/ws`, [
    'nekogate.v1',
    `access.${token}`,
  ]);
  // neko may tell a newcomer of other logins' changes before its own init.
  for await (const [bytes] of on(socket, 'message'))
    if (Event.parse(JSON.parse(String(bytes))).event === 'system/init') break;
  if (isRude) socket.terminate();
  else socket.close(1000);
}

async function loginsOf(house: House, sessionId: string): Promise<number> {
  const Logins = z.object({ logins: z.array(z.unknown()) });
  return (await house.callApi('GET', `/api/v1/sessions/${sessionId}/logins`, Logins)).logins.length;
}
