// The named qualities of the picture and how one is chosen. neko's internal/capture/streamselector.go.
import type { MediaSource } from './media-source.ts';

/** As in signal/request: by id, or by bitrate in bits a second. */
export interface Selector {
  id: string;
  type?: string | undefined;
  bitrate?: number | undefined;
}

export class Qualities implements AsyncDisposable {
  /** From the highest to the lowest; the first is the default. */
  readonly ids: readonly string[];
  readonly sources: readonly MediaSource[];

  /** `ids` orders those that are to be offered; sources besides are had by their exact id only. */
  constructor(sources: readonly MediaSource[], ids: readonly string[]) {
    this.sources = sources;
    this.ids = ids;
  }

  get default(): MediaSource {
    const source = this.#find(this.ids[0] ?? '') ?? this.sources[0];
    if (source === undefined) throw new Error('there is no quality');
    return source;
  }

  /** The one that fits, or undefined when none does: there is nothing above the highest, or the id is nobody's. */
  select(selector: Selector): MediaSource | undefined {
    const type = (selector.type ?? '').toLowerCase();
    if (selector.id !== '') {
      if (type !== 'lower' && type !== 'higher') return this.#find(selector.id);
      return this.#neighbour(selector.id, type);
    }
    const { bitrate = 0 } = selector;
    return bitrate === 0 ? undefined : this.#byBitrate(bitrate, type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.sources.map((source) => source.close()));
  }

  #neighbour(id: string, side: 'lower' | 'higher'): MediaSource | undefined {
    const index = this.ids.indexOf(id);
    const last = this.ids.length - 1;
    if (index < 0) return undefined;
    const next = side === 'lower' ? index + 1 : index - 1;
    return next < 0 || next > last ? undefined : this.#find(this.ids[next] ?? '');
  }

  /** Only those that are watched have a bitrate that could be compared. */
  #byBitrate(bitrate: number, type: string): MediaSource | undefined {
    const running = this.ids
      .flatMap((id) => this.#find(id) ?? [])
      .filter((source) => source.listeners > 0 && source.bitrate > 0);
    if (type === 'lower') return running.toReversed().find((source) => source.bitrate < bitrate);
    if (type === 'higher') return running.find((source) => source.bitrate > bitrate);
    if (type === 'nearest') return nearest(running, bitrate) ?? this.default;
    return running.find((source) => source.bitrate === bitrate);
  }

  #find(id: string): MediaSource | undefined {
    return this.sources.find((source) => source.id === id);
  }
}

/** The closest that doesn't take more, else the closest that does. */
function nearest(sources: readonly MediaSource[], bitrate: number): MediaSource | undefined {
  const [fitting = sources.toSorted((a, b) => a.bitrate - b.bitrate)[0]] = sources
    .filter((source) => source.bitrate <= bitrate)
    .toSorted((a, b) => b.bitrate - a.bitrate);
  return fitting;
}
