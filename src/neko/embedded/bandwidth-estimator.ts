// What a viewer's connection carries, from its transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01):
// when each packet arrived. Packets that queue on the way, or get lost, say that it is too much.
import { PacketStatus, StatusVectorChunk, type TransportWideCC } from 'werift';

// Packets whose feedback never comes are forgotten.
const PENDING_MAX = 4096;
const WINDOW_MS = 1000;
// The way's own delay is the least that was seen of late; what comes on top is a queue.
const BASE_DELAY_WINDOW_MS = 30_000;
const BASE_DELAY_BUCKET_MS = 3000;
const QUEUE_MAX_MS = 80;
const LOSS_MAX = 0.1;
const LOSS_OK = 0.02;
// After a cut the queue takes a while to drain, and says nothing new until it has.
const CUT_GAP_MS = 500;
const CUT = 0.85;
const GROWTH_PER_SECOND = 1.08;
// No more than this of what did arrive is believed in: a sender with little to send learns nothing about more.
const HEADROOM = 1.5;
const HEADROOM_BITS = 100_000;
const TARGET_MIN = 50_000;
const TARGET_MAX = 50_000_000;
const ARRIVAL_TICK_MS = 64;
// A feedback's clock has 24 bits of such ticks.
const CLOCK_MS = 2 ** 24 * ARRIVAL_TICK_MS;

interface Sent {
  bytes: number;
  atMs: number;
}

interface Outcome {
  bytes: number;
  /** When we learned of it. */
  atMs: number;
  wasLost: boolean;
}

/** Estimates what may be sent, in bits a second. The clock is the caller's; nothing is sent or received here. */
export class BandwidthEstimator {
  readonly #pending = new Map<number, Sent>();
  #outcomes: Outcome[] = [];
  #baseDelays: { atMs: number; delayMs: number }[] = [];
  #target: number;
  #cutAtMs = Number.NEGATIVE_INFINITY;
  #updatedAtMs: number | undefined;
  #arrivalBaseMs: number | undefined;

  constructor(initialBitrate: number) {
    this.#target = initialBitrate;
  }

  /** Bits a second. */
  get target(): number {
    return Math.round(this.#target);
  }

  /** A packet left, under its transport-wide number. */
  sent(sequenceNumber: number, bytes: number, nowMs: number): void {
    this.#pending.delete(sequenceNumber);
    this.#pending.set(sequenceNumber, { bytes, atMs: nowMs });
    if (this.#pending.size <= PENDING_MAX) return;
    const [oldest] = this.#pending.keys();
    if (oldest !== undefined) this.#pending.delete(oldest);
  }

  /** The viewer says what arrived, and when. */
  received(feedback: TransportWideCC, nowMs: number): void {
    const delays: number[] = [];
    for (const { sequenceNumber, arrivedAtMs } of readFeedback(feedback)) {
      const sent = this.#pending.get(sequenceNumber);
      if (sent === undefined) continue;
      // What is missing now may be in the next one; it counts as lost all the same, and congestion is not far then.
      this.#pending.delete(sequenceNumber);
      this.#outcomes.push({ bytes: sent.bytes, atMs: nowMs, wasLost: arrivedAtMs === undefined });
      if (arrivedAtMs !== undefined) delays.push(this.#unwrapped(arrivedAtMs) - sent.atMs);
    }
    this.#outcomes = this.#outcomes.filter(({ atMs }) => nowMs - atMs < WINDOW_MS);
    if (delays.length === 0) return;
    this.#noteBaseDelay(Math.min(...delays), nowMs);
    const meanMs = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
    this.#update(meanMs - this.#baseDelay(), nowMs);
  }

  #update(queueMs: number, nowMs: number): void {
    const sinceMs = Math.min(WINDOW_MS, nowMs - (this.#updatedAtMs ?? nowMs));
    this.#updatedAtMs = nowMs;
    const lost = this.#outcomes.filter(({ wasLost }) => wasLost).length / this.#outcomes.length;
    const arrived = this.#outcomes.reduce((sum, { bytes, wasLost }) => sum + (wasLost ? 0 : bytes), 0);
    const arrivedBitrate = (arrived * 8000) / WINDOW_MS;
    if (queueMs > QUEUE_MAX_MS || lost > LOSS_MAX) {
      if (nowMs - this.#cutAtMs < CUT_GAP_MS) return;
      this.#cutAtMs = nowMs;
      this.#target = Math.max(TARGET_MIN, CUT * Math.min(this.#target, Math.max(arrivedBitrate, TARGET_MIN)));
    } else if (lost < LOSS_OK && this.#target < HEADROOM * arrivedBitrate + HEADROOM_BITS) {
      this.#target = Math.min(TARGET_MAX, this.#target * GROWTH_PER_SECOND ** (sinceMs / 1000));
    }
  }

  #noteBaseDelay(delayMs: number, nowMs: number): void {
    const last = this.#baseDelays.at(-1);
    if (last !== undefined && nowMs - last.atMs < BASE_DELAY_BUCKET_MS) last.delayMs = Math.min(last.delayMs, delayMs);
    else this.#baseDelays.push({ atMs: nowMs, delayMs });
    this.#baseDelays = this.#baseDelays.filter(({ atMs }) => nowMs - atMs < BASE_DELAY_WINDOW_MS);
  }

  #baseDelay(): number {
    return Math.min(...this.#baseDelays.map(({ delayMs }) => delayMs));
  }

  /** The viewer's clock goes round after twelve days; only differences matter. */
  #unwrapped(arrivedAtMs: number): number {
    this.#arrivalBaseMs ??= arrivedAtMs;
    const sinceBase = (arrivedAtMs - this.#arrivalBaseMs + CLOCK_MS) % CLOCK_MS;
    return sinceBase > CLOCK_MS / 2 ? sinceBase - CLOCK_MS : sinceBase;
  }
}

/** With a small difference of time, and with a large one. */
const RECEIVED = new Set<number>([
  PacketStatus.TypeTCCPacketReceivedSmallDelta,
  PacketStatus.TypeTCCPacketReceivedLargeDelta,
]);

/** werift's own reading leaves out the packets of status vectors, which browsers send. */
function* readFeedback(
  feedback: TransportWideCC,
): Generator<{ sequenceNumber: number; arrivedAtMs: number | undefined }> {
  const statuses = feedback.packetChunks.flatMap((chunk) =>
    chunk instanceof StatusVectorChunk
      ? chunk.symbolList
      : Array.from({ length: chunk.runLength }, () => chunk.packetStatus),
  );
  const deltas = feedback.recvDeltas.values();
  let atMs = feedback.referenceTime * ARRIVAL_TICK_MS;
  for (const [index, status] of statuses.slice(0, feedback.packetStatusCount).entries()) {
    const sequenceNumber = (feedback.baseSequenceNumber + index) & 0xffff;
    if (RECEIVED.has(status)) {
      atMs += (deltas.next().value?.delta ?? 0) / 1000;
      yield { sequenceNumber, arrivedAtMs: atMs };
    } else {
      yield { sequenceNumber, arrivedAtMs: undefined };
    }
  }
}
