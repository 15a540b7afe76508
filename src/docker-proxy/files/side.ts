import type { Entry } from './entry.ts';

/** The file system of one end, seen from a folder that is kept in step. Paths are within it; the empty one is the folder itself. */
export interface Side {
  /** Names and entries of a folder. @throws SideError */
  list(path: string): Promise<[name: string, entry: Entry][]>;
  /** undefined when nothing is there. */
  find(path: string): Promise<Entry | undefined>;
  /**
   * `read`: a file that is there; `make`: one that isn't, for this user alone; `rewrite`: one that is there, whose content stays until it is written over.
   * @throws SideError, ChangedMeanwhile when it is no file any more
   */
  open(path: string, how: 'read' | 'make' | 'rewrite'): Promise<OpenFile>;
  makeFolder(path: string): Promise<void>;
  makeLink(path: string, target: string): Promise<void>;
  /** A folder only when it is empty. */
  remove(path: string, kind: Entry['kind']): Promise<void>;
  setMode(path: string, mode: number): Promise<void>;
  /** Gives a file its mode and time. */
  finish(path: string, file: Entry & { kind: 'file' }): Promise<void>;
  /** Over what may be there. */
  replace(from: string, to: string): Promise<void>;
  /** Where nothing is. @throws ChangedMeanwhile when something is */
  move(from: string, to: string): Promise<void>;
  /** Whether what just failed, which wanted so many bytes, did so for a full disk. */
  isFull(error: unknown, bytes: number): Promise<boolean>;
  /** For people. */
  absolute(path: string): string;
  readonly host: string;
}

/** Disposing of it closes it, whatever that says; `close` says what failed. */
export interface OpenFile extends AsyncDisposable {
  size(): Promise<number>;
  /** @returns fewer bytes than the piece has only at the end */
  read(piece: Buffer, position: number): Promise<number>;
  write(piece: Buffer, position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

/** `gone`: there is no such folder; `closed`: the user may not. */
export class SideError extends Error {
  readonly reason: 'gone' | 'closed';
  readonly side: Side;
  constructor(reason: 'gone' | 'closed', side: Side, path: string, options?: { cause?: unknown }) {
    super(
      `${side.absolute(path)} of ${side.host} ${reason === 'gone' ? 'is gone' : "can't be used: permission denied"}`,
      options,
    );
    this.reason = reason;
    this.side = side;
  }
}

/** Something isn't any more what it was when it was looked at: the next look comes. */
export class ChangedMeanwhile extends Error {}
