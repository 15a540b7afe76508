import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { RecvDelta, RunLengthChunk, StatusVectorChunk, TransportWideCC } from 'werift';
import { BandwidthEstimator } from './bandwidth-estimator.ts';

const PACKET_BYTES = 1000;
const INITIAL = 1_000_000;

describe('the estimate', () => {
  test('grows while all arrives in time', () => {
    const { target } = transmit({ seconds: 10, delayMs: () => 20 });

    assert.ok(target > INITIAL * 1.2, `${target}`);
  });

  test('does not grow far beyond what is sent', () => {
    const { target } = transmit({ seconds: 120, delayMs: () => 20 });

    assert.ok(target < SENT_BITRATE * 2, `${target}`);
  });

  test('falls when packets queue up on the way', () => {
    const { target } = transmit({ seconds: 20, delayMs: (second) => (second < 5 ? 20 : 20 + 40 * (second - 5)) });

    assert.ok(target < INITIAL, `${target}`);
  });

  test('falls when many are lost, however the loss is written', () => {
    for (const chunks of ['runs', 'vectors'] as const) {
      const { target } = transmit({ seconds: 5, delayMs: () => 20, isLost: (index) => index % 4 === 0, chunks });

      assert.ok(target < INITIAL, `${chunks}: ${target}`);
    }
  });

  test('stands while hardly anything is sent', () => {
    const { target } = transmit({ seconds: 30, delayMs: () => 20, packetsPerReport: 1 });

    assert.equal(target, INITIAL);
  });
});

interface Way {
  seconds: number;
  delayMs: (second: number) => number;
  isLost?: (index: number) => boolean;
  chunks?: 'runs' | 'vectors';
  packetsPerReport?: number;
}

const REPORT_EVERY_MS = 100;
const PACKETS_PER_REPORT = 14;
const SENT_BITRATE = (PACKETS_PER_REPORT * PACKET_BYTES * 8 * 1000) / REPORT_EVERY_MS;

/** Packets over an imagined way, with a report ten times a second. */
function transmit({
  seconds,
  delayMs,
  isLost = () => false,
  chunks = 'vectors',
  packetsPerReport = PACKETS_PER_REPORT,
}: Way): { target: number } {
  const estimator = new BandwidthEstimator(INITIAL);
  for (let report = 0; report < seconds * 10; report += 1) {
    const startMs = report * REPORT_EVERY_MS;
    const indexes = Array.from({ length: packetsPerReport }, (_, index) => index);
    const first = (report * packetsPerReport) & 0xffff;
    for (const index of indexes) estimator.sent((first + index) & 0xffff, PACKET_BYTES, startMs + index);
    const arrivals = indexes.map((index) => (isLost(index) ? undefined : startMs + index + delayMs(startMs / 1000)));
    estimator.received(feedbackOf(first, arrivals, chunks), startMs + REPORT_EVERY_MS);
  }
  return { target: estimator.target };
}

function feedbackOf(
  baseSequenceNumber: number,
  arrivals: readonly (number | undefined)[],
  chunks: 'runs' | 'vectors',
): TransportWideCC {
  const referenceTime = Math.floor((arrivals.find((arrival) => arrival !== undefined) ?? 0) / 64);
  let lastMs = referenceTime * 64;
  const recvDeltas = arrivals.flatMap((arrival) => {
    if (arrival === undefined) return [];
    const delta = new RecvDelta({ type: 2, delta: (arrival - lastMs) * 1000 });
    lastMs = arrival;
    return [delta];
  });
  const statuses = arrivals.map((arrival) => (arrival === undefined ? 0 : 2));
  return new TransportWideCC({
    baseSequenceNumber,
    packetStatusCount: arrivals.length,
    referenceTime,
    recvDeltas,
    packetChunks:
      chunks === 'runs'
        ? statuses.map((packetStatus) => new RunLengthChunk({ packetStatus, runLength: 1 }))
        : [
            new StatusVectorChunk({ symbolSize: 1, symbolList: statuses.slice(0, 7) }),
            new StatusVectorChunk({ symbolSize: 1, symbolList: statuses.slice(7) }),
          ],
  });
}
