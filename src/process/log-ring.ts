/** Lines kept of one process; the oldest are dropped. */
const LINES_MAX = 200;
/** Characters kept of one line; what is beyond is dropped, and so an endless line takes no more room than this. */
const LINE_MAX_CHARS = 2048;

/** The last lines that a process wrote. */
export class LogRing {
  readonly #lines: string[] = [];

  push(line: string): void {
    this.#lines.push(line.slice(0, LINE_MAX_CHARS));
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
  }

  last(count: number): string[] {
    return this.#lines.slice(-count);
  }
}

/** Cuts a stream of text into lines, without keeping more of an endless one than the ring would. */
export function splitLines(onLine: (line: string) => void): { write: (chunk: string) => void; end: () => void } {
  let rest = '';
  return {
    write: (chunk) => {
      const lines = (rest + chunk).split(/\r?\n/);
      rest = (lines.pop() ?? '').slice(0, LINE_MAX_CHARS);
      for (const line of lines) onLine(line);
    },
    end: () => {
      if (rest !== '') onLine(rest);
      rest = '';
    },
  };
}
