import type { RtpPacket } from 'werift';

// Some seconds at 2 Mbit/s, and a large key frame with what follows it.
const PACKETS_MAX = 1024;
// werift repeats what is among the last so many by itself, at once; we do it for what is older.
const WERIFT_PACKETS = 128;
// A viewer that asks for more than that has no use for it: what it asks for beyond is not sent again.
const REPEATS_PER_SECOND_MAX = 600;

/** The packets that one viewer was sent last, for when it says that some were lost (RFC 4585, section 6.2.1). */
export class RtpHistory {
  readonly #packets = new Map<number, RtpPacket>();
  #newest = 0;
  #second = 0;
  #repeats = 0;

  add(packet: RtpPacket): void {
    const { sequenceNumber } = packet.header;
    this.#newest = sequenceNumber;
    // Again at the end, when the numbers have gone round.
    this.#packets.delete(sequenceNumber);
    this.#packets.set(sequenceNumber, packet);
    if (this.#packets.size <= PACKETS_MAX) return;
    const [oldest] = this.#packets.keys();
    if (oldest !== undefined) this.#packets.delete(oldest);
  }

  /** Those of `lost` that are to be sent again now. */
  find(lost: readonly number[], nowMs: number): RtpPacket[] {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#repeats = 0;
    }
    const found: RtpPacket[] = [];
    for (const sequenceNumber of lost) {
      const age = (this.#newest - sequenceNumber) & 0xffff;
      const packet = age < WERIFT_PACKETS ? undefined : this.#packets.get(sequenceNumber);
      if (packet === undefined || this.#repeats >= REPEATS_PER_SECOND_MAX) continue;
      this.#repeats += 1;
      found.push(packet);
    }
    return found;
  }
}
