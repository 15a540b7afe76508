/** What a network does to each packet, in each direction. */
export interface Impairment {
  /** Share of packets that are lost. */
  loss: number;
  delayMs: number;
  /** Up to so much is added to the delay, differently for each packet; packets stay in order, as in a queue that fills and drains. */
  jitterMs: number;
  /** Share of packets that overtake those before them: they are not delayed. */
  reorder: number;
}

export const CLEAN: Impairment = { loss: 0, delayMs: 0, jitterMs: 0, reorder: 0 };

/** What the relay is told; a cut loses everything. */
export type NetworkState = Impairment | 'cut';
