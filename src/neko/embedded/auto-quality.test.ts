import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { AutoQuality, type EstimatorSettings } from './auto-quality.ts';

const SETTINGS: EstimatorSettings = {
  isPassive: false,
  isDebug: false,
  initialBitrate: 1_000_000,
  readIntervalMs: 2000,
  stableMs: 12_000,
  unstableMs: 6000,
  stalledMs: 24_000,
  downgradeBackoffMs: 10_000,
  upgradeBackoffMs: 5000,
  diffThreshold: 0.15,
};

describe('the quality', () => {
  test('goes down once the connection has carried too little for a while, and no sooner again than the backoff', () => {
    assert.deepEqual(decisions([0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]), ['6 lower', '16 lower']);
  });

  test('goes up once there has been room for long enough', () => {
    assert.deepEqual(decisions(Array.from({ length: 8 }, () => 2)), ['12 higher']);
  });

  test('goes down when it just about fits for very long', () => {
    assert.deepEqual(decisions(Array.from({ length: 14 }, () => 1.05)), ['24 lower']);
  });

  test('stays where room comes and goes', () => {
    assert.deepEqual(decisions([2, 2, 0.5, 2, 2, 0.5, 2, 2, 0.5, 2]), []);
  });

  test('stays while the stream’s bitrate is not known', () => {
    const auto = new AutoQuality(SETTINGS);

    for (const nowMs of [0, 20_000, 40_000]) {
      assert.equal(auto.decide({ nowMs, target: 1, streamBitrate: 0 }), undefined);
    }
  });
});

/** What is decided when the connection carries so many times the stream, looked at every two seconds. */
function decisions(room: readonly number[]): string[] {
  const auto = new AutoQuality(SETTINGS);
  return room.flatMap((factor, index) => {
    const way = auto.decide({ nowMs: index * 2000, target: factor * 1_000_000, streamBitrate: 1_000_000 });
    return way === undefined ? [] : [`${index * 2} ${way}`];
  });
}
