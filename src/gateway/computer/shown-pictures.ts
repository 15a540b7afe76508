/** Pictures that a program may still speak of; an older one is not known any more. */
const KEPT_MAX = 4;

/** A whole screen, and the quality that it was taken with: with another one the same screen looks like another. */
export interface Shot {
  jpeg: Buffer;
  quality: number;
}

/** The screens that one program was shown last, by the hash of the picture that was made of each. */
export class ShownPictures {
  readonly #shots = new Map<string, Shot>();

  keep(hash: string, shot: Shot): void {
    this.#shots.delete(hash);
    this.#shots.set(hash, shot);
    const [oldest] = this.#shots.keys();
    if (this.#shots.size > KEPT_MAX && oldest !== undefined) this.#shots.delete(oldest);
  }

  find(hash: string): Shot | undefined {
    return this.#shots.get(hash);
  }

  get last(): Shot | undefined {
    return [...this.#shots.values()].at(-1);
  }
}
