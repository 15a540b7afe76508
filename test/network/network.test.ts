// A few of the bad networks of bench/network.ts, so that each change is tried on some; `npm run bench:network` has all 24.
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { openBadNetworkHouse } from './house.ts';
import { measureCleanFps, measureRun } from './run.ts';

/** Slow, so that the machine keeps it up beside other tests. */
const RATE = 10;
/** It takes 40 s; a run that never joins or recovers takes its own limits. */
const MAX_MS = 180_000;

test(
  'a viewer joins over bad networks, and has the full rate back when they are good again, or after a total cut',
  { timeout: MAX_MS },
  async () => {
    await using house = await openBadNetworkHouse({ rate: RATE });
    const cleanFps = await measureCleanFps(house);
    // Less, and any picture would pass for a recovered one.
    assert.ok(
      cleanFps >= RATE / 2,
      `only ${cleanFps} frames a second over a clean network: this machine is too busy to tell`,
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
