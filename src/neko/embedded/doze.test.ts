import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'vitest';
import { Doze } from './doze.ts';

test('a process that is stopped while it holds the X server goes on, and is stopped again with its next frame', async () => {
  const process = new Holding();
  const doze = new Doze(process, {
    watch: () => () => undefined,
    answered: () => process.answered(),
  });
  doze.frameCame();
  const stopped = once(process, 'pause');
  const frames = setInterval(() => {
    if (!process.isStopped) doze.frameCame();
  }, 20);

  await stopped;
  // Well before the frame that a sleeping one gives each second.
  const wentOn = await Promise.race([once(process, 'resume').then(() => true), sleep(500, false)]);
  process.isHolding = false;
  await once(process, 'pause');
  await process.answered();

  assert.equal(wentOn, true);
  assert.equal(process.isStopped, true);
  clearInterval(frames);
  doze.close();
  assert.equal(process.isStopped, false);
});

/** An X server that answers nobody while a process that holds it is stopped. */
class Holding extends EventEmitter {
  isStopped = false;
  isHolding = true;

  pause(): void {
    this.isStopped = true;
    this.emit('pause');
  }

  resume(): void {
    this.isStopped = false;
    this.emit('resume');
  }

  async answered(): Promise<void> {
    if (this.isStopped && this.isHolding) await once(this, 'resume');
  }
}
