import type { PacketSource, SourcePacket } from './media-source.ts';

/** Opus (RFC 6716, section 3.2.5): six frames of 20 ms in one packet, each the shortest there is, of full band and mono. */
const SILENCE = Buffer.from([0xfb, 6, ...Array.from({ length: 6 }, () => [0xff, 0xfe]).flat()]);
const PACKET_MS = 120;
const TICKS_PER_PACKET = 48 * PACKET_MS;

/** The sound of a desktop that has none, at hardly any cost: viewers get silence rather than nothing, as neko's do. */
export class SilentSource implements PacketSource {
  readonly id = 'audio';
  readonly bitrate = 0;
  readonly #epoch = Symbol('silence');
  readonly #listeners = new Set<(packet: SourcePacket) => void>();
  #timer: NodeJS.Timeout | undefined;
  #sequenceNumber = 0;
  #timestamp = 0;
  #starts = 0;
  #bytes = 0;

  get listeners(): number {
    return this.#listeners.size;
  }

  get isRunning(): boolean {
    return this.#timer !== undefined;
  }

  get starts(): number {
    return this.#starts;
  }

  get bytes(): number {
    return this.#bytes;
  }

  expect(): void {
    // It needs no time to start.
  }

  requestKeyFrame(): void {
    // Sound has none.
  }

  subscribe(listener: (packet: SourcePacket) => void): () => void {
    this.#listeners.add(listener);
    if (this.#timer === undefined) {
      this.#starts += 1;
      this.#timer = setInterval(() => this.#tick(), PACKET_MS);
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    this.#sequenceNumber = (this.#sequenceNumber + 1) & 0xffff;
    this.#timestamp = (this.#timestamp + TICKS_PER_PACKET) >>> 0;
    this.#bytes += SILENCE.length;
    const packet = {
      sequenceNumber: this.#sequenceNumber,
      timestamp: this.#timestamp,
      marker: false,
      payload: SILENCE,
      epoch: this.#epoch,
      startsKeyFrame: false,
    };
    for (const listener of this.#listeners) listener(packet);
  }
}
