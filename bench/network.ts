// Claim: over any of 24 bad networks a viewer joins, and has the full frame rate back soon after the network is good again,
// or after a total cut of 5 s. The network is test/network/relay.ts, the viewer our own in Chromium, the desktop never still.
import { messageOf } from '../src/errors.ts';
import type { Impairment } from '../test/network/impairment.ts';
import { openBadNetworkHouse } from '../test/network/house.ts';
import { CUT_MS, measureCleanFps, measureRun, type RunFigures } from '../test/network/run.ts';
import { close, median, round } from './run.ts';

const RATE = 25;
const CLEAN_MISSING_SHARE = 0.2;
const LOSSES = [0.01, 0.03, 0.05, 0.1];
const DELAYS_MS = [50, 150, 300];
const JITTER_SHARE = 0.2;
const REORDER = 0.05;
const RECOVERY_MS = 3000;
const RECOVERY_FROM_CUT_MS = 8000;

const impairments: Impairment[] = LOSSES.flatMap((loss) =>
  DELAYS_MS.flatMap((delayMs) => [
    { loss, delayMs, jitterMs: delayMs * JITTER_SHARE, reorder: 0 },
    { loss, delayMs, jitterMs: 0, reorder: REORDER },
  ]),
);

await using house = await openBadNetworkHouse({ rate: RATE });
const cleanFps = await measureCleanFps(house);
const rows: Record<string, Record<string, number | string>> = {};
const done: RunFigures[] = [];
for (const impairment of impairments) {
  const { loss, delayMs, jitterMs, reorder } = impairment;
  const name = `${loss * 100} % lost, ${delayMs} ms${reorder > 0 ? `, ${reorder * 100} % reordered` : ` ± ${jitterMs} ms`}`;
  try {
    const figures = await measureRun(house, impairment, cleanFps);
    done.push(figures);
    rows[name] = {
      'join ms': round(figures.joinMs, 0),
      'frames a second': round(figures.fps),
      'frozen ms of 5000': round(figures.freezeMs, 0),
      'recovery ms': round(figures.recoveryMs, 0),
      'recovery from a cut ms': round(figures.recoveryFromCutMs, 0),
    };
  } catch (thrown) {
    rows[name] = { failure: messageOf(thrown) };
  }
  console.log(name, JSON.stringify(rows[name]));
}
console.log(
  `clean: ${round(cleanFps)} frames a second; each loss and delay in both directions; a cut lasts ${CUT_MS} ms`,
);
console.table(rows);
const worst = (of: (figures: RunFigures) => number): number => round(Math.max(...done.map(of)), 0);
close(
  'network',
  {
    runs: impairments.length,
    cleanFps: round(cleanFps),
    joinMedianMs: round(median(done.map(({ joinMs }) => joinMs)), 0),
    joinWorstMs: worst(({ joinMs }) => joinMs),
    recoveryMedianMs: round(median(done.map(({ recoveryMs }) => recoveryMs)), 0),
    recoveryFromCutMedianMs: round(median(done.map(({ recoveryFromCutMs }) => recoveryFromCutMs)), 0),
  },
  {
    // A machine too busy for the clean rate would make every recovery look good.
    cleanFpsMissing: { value: round(RATE - cleanFps), max: RATE * CLEAN_MISSING_SHARE },
    failedRuns: { value: impairments.length - done.length, max: 0 },
    recoveryWorstMs: { value: worst(({ recoveryMs }) => recoveryMs), max: RECOVERY_MS },
    recoveryFromCutWorstMs: { value: worst(({ recoveryFromCutMs }) => recoveryFromCutMs), max: RECOVERY_FROM_CUT_MS },
  },
);
