import type { Entry } from './entry.ts';

/** The file system of one end, seen from a folder that is kept in step. Paths are within it; the empty one is the folder itself. */
export interface Side {
  /** Names and entries of a folder. @throws SideError */
  list(path: string): Promise<[name: string, entry: Entry][]>;
  /** undefined when nothing is there. */
  find(path: string): Promise<Entry | undefined>;
  makeFolder(path: string): Promise<void>;
  makeLink(path: string, target: string): Promise<void>;
  /** A folder only when it is empty. */
  remove(path: string, kind: Entry['kind']): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  /** Gives a file its mode and time. */
  finish(path: string, file: Entry & { kind: 'file' }): Promise<void>;
  /** Over what may be there. */
  move(from: string, to: string): Promise<void>;
  /** Rejects when a write there would land outside the folder. */
  guard(path: string): Promise<void>;
  /** For whoever opens it. */
  absolute(path: string): string;
}

/** `gone`: there is no such folder; `closed`: it can't be read. */
export class SideError extends Error {
  readonly reason: 'gone' | 'closed';
  constructor(reason: 'gone' | 'closed', message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.reason = reason;
  }
}
