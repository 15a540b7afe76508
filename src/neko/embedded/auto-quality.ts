// Chooses among the qualities for a viewer who leaves it to us, by what its connection carries. The settings are neko's
// (webrtc.estimator.*), its internal/webrtc/peer.go; times in milliseconds.

export interface EstimatorSettings {
  /** Estimates only. */
  isPassive: boolean;
  /** Logs each look. */
  isDebug: boolean;
  /** Bits a second, before anything is known. */
  initialBitrate: number;
  readIntervalMs: number;
  /** So long it must have been well before a higher quality is tried. */
  stableMs: number;
  /** So long it must have been too much before a lower one is taken. */
  unstableMs: number;
  /** So long it may just about do before a lower one is taken. */
  stalledMs: number;
  downgradeBackoffMs: number;
  upgradeBackoffMs: number;
  /** By how much of the stream's bitrate the estimate must be above it to be well; below 0: it always is. */
  diffThreshold: number;
}

export interface Look {
  nowMs: number;
  /** Bits a second that the connection carries. */
  target: number;
  /** Bits a second of the present quality; 0: not known. */
  streamBitrate: number;
}

/** Decides at each look. Pure: the caller looks, and changes the quality. */
export class AutoQuality {
  readonly #settings: EstimatorSettings;
  #wellSinceMs: number | undefined;
  #badSinceMs: number | undefined;
  #tightSinceMs: number | undefined;
  #loweredAtMs = Number.NEGATIVE_INFINITY;
  #raisedAtMs = Number.NEGATIVE_INFINITY;

  constructor(settings: EstimatorSettings) {
    this.#settings = settings;
  }

  /** Which way to go now, if any. */
  decide({ nowMs, target, streamBitrate }: Look): 'lower' | 'higher' | undefined {
    if (streamBitrate === 0) return undefined;
    const room = target / streamBitrate;
    const { diffThreshold } = this.#settings;
    const isBad = room < 1;
    const isWell = diffThreshold < 0 ? !isBad : room >= 1 + diffThreshold;
    this.#badSinceMs = isBad ? (this.#badSinceMs ?? nowMs) : undefined;
    this.#tightSinceMs = isWell ? undefined : (this.#tightSinceMs ?? nowMs);
    this.#wellSinceMs = isWell ? (this.#wellSinceMs ?? nowMs) : undefined;
    if (this.#shouldLower(nowMs)) {
      this.#loweredAtMs = nowMs;
      return 'lower';
    }
    if (!this.#shouldRaise(nowMs)) return undefined;
    this.#raisedAtMs = nowMs;
    return 'higher';
  }

  #shouldLower(nowMs: number): boolean {
    const { unstableMs, stalledMs, downgradeBackoffMs } = this.#settings;
    if (nowMs - this.#loweredAtMs < downgradeBackoffMs) return false;
    return hasLasted(this.#badSinceMs, unstableMs, nowMs) || hasLasted(this.#tightSinceMs, stalledMs, nowMs);
  }

  #shouldRaise(nowMs: number): boolean {
    const { stableMs, upgradeBackoffMs } = this.#settings;
    return nowMs - this.#raisedAtMs >= upgradeBackoffMs && hasLasted(this.#wellSinceMs, stableMs, nowMs);
  }
}

function hasLasted(sinceMs: number | undefined, ms: number, nowMs: number): boolean {
  return sinceMs !== undefined && nowMs - sinceMs >= ms;
}
