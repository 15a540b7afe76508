// A few of the bad networks of bench/network.ts, so that each change is tried on some; `npm run bench:network` has all 24.
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { until } from '../harness/house.ts';
import { openBadNetworkHouse } from './house.ts';
import { measureCleanFps, measureRun } from './run.ts';

/** Slow, so that the machine keeps it up beside other tests. */
const RATE = 10;
const QUIET_WITHIN_MS = 60_000;
/** It takes 40 s; a run that never joins or recovers takes its own limits. */
const MAX_MS = 180_000;

test(
  'a viewer joins over bad networks, and has the full rate back when they are good again, or after a total cut',
  { timeout: MAX_MS },
  async () => {
    await using house = await openBadNetworkHouse({ rate: RATE });
    // With less, any picture would pass for a recovered one: other tests at work pass, and then it is tried again.
    const cleanFps = await until(
      'a machine that is not too busy to tell',
      () => measureCleanFps(house),
      (fps) => fps >= RATE / 2,
      QUIET_WITHIN_MS,
    );

    const mild = await measureRun(house, { loss: 0.01, delayMs: 50, jitterMs: 10, reorder: 0 }, cleanFps);
    const severe = await measureRun(house, { loss: 0.1, delayMs: 150, jitterMs: 0, reorder: 0.05 }, cleanFps);

    for (const figures of [mild, severe]) {
      assert.ok(figures.fps > 0, JSON.stringify(figures));
      assert.ok(Number.isFinite(figures.recoveryMs), JSON.stringify(figures));
      assert.ok(Number.isFinite(figures.recoveryFromCutMs), JSON.stringify(figures));
    }
  },
);
