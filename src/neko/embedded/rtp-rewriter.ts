import type { SourcePacket } from './media-source.ts';

/** Where a packet stands in one viewer's stream. */
export interface RtpPlace {
  sequenceNumber: number;
  timestamp: number;
}

/**
 * Makes one unbroken RTP stream for one viewer of what the shared sources give: it starts at a key frame (where the
 * codec has them), and when the source starts anew, or the viewer missed a part, it goes on without a gap in the
 * sequence and with the time that has passed. Pure: the clock is the packets' arrival, `nowMs`.
 */
export class RtpRewriter {
  readonly #clockRate: number;
  readonly #needsKeyFrame: boolean;
  #last: { place: RtpPlace; atMs: number } | undefined;
  #following: Following | undefined;

  constructor(options: { clockRate: number; needsKeyFrame: boolean }) {
    this.#clockRate = options.clockRate;
    this.#needsKeyFrame = options.needsKeyFrame;
  }

  /** Whether packets are dropped until a key frame comes. */
  get waitsForKeyFrame(): boolean {
    return this.#needsKeyFrame && this.#following === undefined;
  }

  /** Forgets where it was: what follows starts at a key frame again. */
  interrupt(): void {
    this.#following = undefined;
  }

  /** The packet's place in the viewer's stream, or undefined when the viewer must not get it. */
  place(packet: SourcePacket, nowMs: number): RtpPlace | undefined {
    let following = this.#following;
    if (following?.epoch !== packet.epoch) {
      if (this.#needsKeyFrame && !packet.startsKeyFrame) {
        this.#following = undefined;
        return undefined;
      }
      following = this.#startFollowing(packet, nowMs);
      this.#following = following;
    }
    const place = {
      sequenceNumber: (packet.sequenceNumber + following.sequenceOffset) & 0xffff,
      timestamp: (packet.timestamp + following.timestampOffset) >>> 0,
    };
    this.#last = { place, atMs: nowMs };
    return place;
  }

  #startFollowing(packet: SourcePacket, nowMs: number): Following {
    const next =
      this.#last === undefined
        ? { sequenceNumber: packet.sequenceNumber, timestamp: packet.timestamp }
        : {
            sequenceNumber: this.#last.place.sequenceNumber + 1,
            timestamp:
              this.#last.place.timestamp +
              Math.max(1, Math.round(((nowMs - this.#last.atMs) * this.#clockRate) / 1000)),
          };
    return {
      epoch: packet.epoch,
      sequenceOffset: next.sequenceNumber - packet.sequenceNumber,
      timestampOffset: next.timestamp - packet.timestamp,
    };
  }
}

/** The source's run that the viewer follows, and what is added to its numbers. */
interface Following {
  epoch: SourcePacket['epoch'];
  sequenceOffset: number;
  timestampOffset: number;
}
