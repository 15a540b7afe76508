import assert from 'node:assert/strict';
import { expect, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import type { InputEvent } from '../input/data-channel.ts';
import { runActions, type Desk, type Picture, type RunOptions } from './executor.ts';

const SCREEN = { width: 100, height: 100 };
const LEFT = { button: 'left', keys: undefined } as const;

test('actions run one after another', async () => {
  const desk = new RecordingDesk();

  const results = await runActions(
    [{ type: 'move', x: 1, y: 1 }, { type: 'cursor_position' }, { type: 'click', count: 1, ...LEFT }],
    desk,
    options(),
  );

  expect(results.map(({ outcome }) => outcome)).toEqual(['done', 'done', 'done']);
  expect(desk.done).toEqual(['move 1,1', 'pointer', 'button 1 down', 'button 1 up']);
});

test('the first that fails ends them, and is told apart from those that did not run', async () => {
  const desk = new RecordingDesk({ failAt: 'move 2,2' });

  const results = await runActions(
    [1, 2, 3].map((at) => ({ type: 'move', x: at, y: at })),
    desk,
    options(),
  );

  expect(results.map(({ outcome }) => outcome)).toEqual(['done', 'failed', 'skipped']);
  assert.partialDeepStrictEqual(results[1], { error: { code: 'CONTROL_LOST', retryable: true } });
  expect(desk.done).toEqual(['move 1,1']);
});

test('nothing runs where a later action can not be done', async () => {
  const desk = new RecordingDesk();
  const start = { type: 'move', x: 1, y: 1 } as const;

  const offScreen = await runActions([start, { type: 'move', x: 100, y: 1 }], desk, options());
  const badKey = await runActions([start, { type: 'key', keys: 'nokey!', repeat: 1 }], desk, options());
  const watching = await runActions([{ type: 'wait', ms: 0 }, start], desk, options({ mayDrive: false }));

  expect([offScreen, badKey, watching].map((results) => results.map(({ outcome }) => outcome))).toEqual(
    Array.from({ length: 3 }, () => ['skipped', 'failed']),
  );
  expect(desk.done).toEqual([]);
});

test('one that is broken off says why, and leaves no key down', async () => {
  const desk = new RecordingDesk();
  const ended = new AbortController();
  const running = runActions(
    [{ type: 'hold_key', keys: 'ctrl+a', ms: 60_000 }, { type: 'cursor_position' }],
    desk,
    options({ signal: ended.signal }),
  );
  await desk.busy;

  ended.abort(new GatewayError('ACCESS_REVOKED', 'this access was revoked'));

  assert.partialDeepStrictEqual(await running, [
    { outcome: 'failed', error: { code: 'ACCESS_REVOKED' } },
    { outcome: 'skipped' },
  ]);
  expect(desk.done).toEqual(['key ffe3 down', 'key 61 down', 'key 61 up', 'key ffe3 up']);
});

test('one that only looks and is broken off takes no controls', async () => {
  const desk = new RecordingDesk();
  const ended = new AbortController();
  const running = runActions([{ type: 'wait', ms: 60_000 }], desk, options({ signal: ended.signal }));

  ended.abort(new GatewayError('CLIENT_SILENT', 'the caller is gone'));

  assert.partialDeepStrictEqual(await running, [{ outcome: 'failed', error: { code: 'CLIENT_SILENT' } }]);
  expect(desk.turns).toBe(0);
});

test('pictures that are too much for one answer end it', async () => {
  const screenshot = { type: 'screenshot' } as const;

  const results = await runActions([screenshot, screenshot, screenshot, screenshot], new RecordingDesk(), options());

  expect(results.map(({ outcome }) => outcome)).toEqual(['done', 'done', 'failed', 'skipped']);
  assert.partialDeepStrictEqual(results[2], { error: { code: 'MESSAGE_TOO_BIG' } });
});

function options(changes: Partial<RunOptions> = {}): RunOptions {
  return {
    view: { space: SCREEN, screen: SCREEN, format: 'png' },
    mayDrive: true,
    signal: new AbortController().signal,
    ...changes,
  };
}

class RecordingDesk implements Desk {
  readonly done: string[] = [];
  /** How often it was to do something, if only nothing. */
  turns = 0;
  readonly #busy = Promise.withResolvers<void>();
  readonly #failAt: string | undefined;

  constructor({ failAt }: { failAt?: string } = {}) {
    this.#failAt = failAt;
  }

  /** Resolves at the first input. */
  get busy(): Promise<void> {
    return this.#busy.promise;
  }

  async perform(events: readonly InputEvent[]): Promise<void> {
    this.turns += 1;
    for (const event of events) {
      const word = wordOf(event);
      if (word === this.#failAt) throw new GatewayError('CONTROL_LOST', 'somebody else drives');
      this.done.push(word);
    }
    this.#busy.resolve();
  }

  async findPointer(): Promise<{ x: number; y: number }> {
    this.done.push('pointer');
    return { x: 0, y: 0 };
  }

  async takePicture(): Promise<Picture> {
    const data = '='.repeat(30 * 1024 * 1024);
    return { format: 'png', ...SCREEN, hash: '', data, takenAt: '', sessionId: '', screen: SCREEN };
  }

  async settle(): Promise<never> {
    throw new Error('nobody asked for the screen to come to rest');
  }
}

function wordOf(event: InputEvent): string {
  if (event.type === 'move') return `move ${event.x},${event.y}`;
  if (event.type === 'key') return `key ${event.keysym.toString(16)} ${event.down ? 'down' : 'up'}`;
  if (event.type === 'button') return `button ${event.button} ${event.down ? 'down' : 'up'}`;
  return event.type;
}
