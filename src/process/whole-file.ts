import { rename, writeFile } from 'node:fs/promises';
import type { Logger } from 'pino';

/** Writes a file over and over, each time whole: who reads it never sees half. Of what waits only the latest is written. Mode 0600. */
export class WholeFile {
  readonly #file: string;
  readonly #log: Logger;
  #next: string | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: string, log: Logger) {
    this.#file = file;
    this.#log = log;
  }

  /** Resolves once all that was said is written, or could not be. */
  get idle(): Promise<void> {
    return this.#writing;
  }

  write(text: string): void {
    const isWriting = this.#next !== undefined;
    this.#next = text;
    if (!isWriting) this.#writing = this.#writing.then(() => this.#writeNext());
  }

  async #writeNext(): Promise<void> {
    const text = this.#next ?? '';
    this.#next = undefined;
    try {
      await writeFile(`${this.#file}.new`, text, { mode: 0o600 });
      await rename(`${this.#file}.new`, this.#file);
    } catch (error) {
      // A full disk, or the folder is gone: its owner goes on, and the next change tries again.
      this.#log.error({ err: error }, `${this.#file} could not be written`);
    }
  }
}
