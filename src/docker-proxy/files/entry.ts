/**
 * What can be kept in step of one file, folder or symlink. `ctimeMs` tells one file from another that took its place, where a side has it. `other`:
 * sockets, devices and pipes, which never are.
 */
export type Entry =
  | { kind: 'file'; mode: number; size: number; mtimeMs: number; ctimeMs?: number }
  | { kind: 'folder'; mode: number }
  | { kind: 'link'; target: string }
  | { kind: 'other' };

/** By path within the folder, parts joined by `/`. */
export type Tree = ReadonlyMap<string, Entry>;

/** Changes whenever an entry does, as far as its side can tell; empty for none. SFTP knows whole seconds only. */
export function printOf(entry: Entry | undefined): string {
  if (entry === undefined) return '';
  switch (entry.kind) {
    case 'file':
      return `file ${entry.mode} ${entry.size} ${entry.mtimeMs} ${entry.ctimeMs ?? ''}`;
    case 'folder':
      return `folder ${entry.mode}`;
    case 'link':
      return `link ${entry.target}`;
    case 'other':
      return 'other';
    default:
      throw new Error(`unreachable: ${JSON.stringify(entry satisfies never)}`);
  }
}

const SECONDS_MAX = 0xff_ff_ff_ff;

/** A file's time as SFTP has it: an unsigned 32-bit number of seconds. */
export function toSeconds(mtimeMs: number): number {
  return Math.min(Math.max(Math.floor(mtimeMs / 1000), 0), SECONDS_MAX);
}

/** As the remote has it. */
export function inSeconds(entry: Entry): Entry {
  if (entry.kind !== 'file') return entry;
  const { kind, mode, size, mtimeMs } = entry;
  return { kind, mode, size, mtimeMs: toSeconds(mtimeMs) * 1000 };
}

export function isSame(a: Entry | undefined, b: Entry | undefined): boolean {
  return printOf(a && inSeconds(a)) === printOf(b && inSeconds(b));
}

export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
