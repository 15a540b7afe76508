import { assert, test } from 'vitest';
import { STARTS_WAITING_MAX, StartTurns } from './start-turns.ts';

test('of more starts than may wait the last is refused, and no other is held up by it', async () => {
  const turns = new StartTurns(1);
  const { signal } = new AbortController();
  const first = await turns.take(signal, () => undefined);
  const waiting = Array.from({ length: STARTS_WAITING_MAX }, () => turns.take(signal, () => undefined));

  const refused = turns.take(signal, () => undefined).catch((error: unknown) => error);

  assert.propertyVal(await refused, 'code', 'SESSION_LIMIT');
  first[Symbol.dispose]();
  for (const turn of waiting) (await turn)[Symbol.dispose]();
  (await turns.take(signal, () => assert.fail('nobody is before it')))[Symbol.dispose]();
});

test('who is called off before its turn, or just as it comes, keeps nobody waiting', async () => {
  const turns = new StartTurns(1);
  const first = await turns.take(new AbortController().signal, () => undefined);
  const leaving = new AbortController();
  const second = turns.take(leaving.signal, () => undefined);
  const third = turns.take(new AbortController().signal, () => undefined);

  first[Symbol.dispose]();
  leaving.abort();
  (await second)[Symbol.dispose]();

  (await third)[Symbol.dispose]();
  const isGone = turns.take(AbortSignal.abort(new Error('called off')), () => undefined);
  assert.propertyVal(await isGone.catch((error: unknown) => error), 'message', 'called off');
});
