/** Pictures that a program may still speak of; an older one is not known any more. */
const KEPT_MAX = 4;

/** The screens that one program was shown last, as JPEGs, by the hash of the picture that was made of each. */
export class ShownPictures {
  readonly #jpegs = new Map<string, Buffer>();

  keep(hash: string, jpeg: Buffer): void {
    this.#jpegs.delete(hash);
    this.#jpegs.set(hash, jpeg);
    const [oldest] = this.#jpegs.keys();
    if (this.#jpegs.size > KEPT_MAX && oldest !== undefined) this.#jpegs.delete(oldest);
  }

  find(hash: string): Buffer | undefined {
    return this.#jpegs.get(hash);
  }

  get last(): Buffer | undefined {
    return [...this.#jpegs.values()].at(-1);
  }
}
