/** What is kept in step of one file, folder or symlink. All else (sockets, devices, pipes) never is. */
export type Entry =
  | { kind: 'file'; mode: number; size: number; mtimeMs: number }
  | { kind: 'folder'; mode: number }
  | { kind: 'link'; target: string };

/** By path within the folder, parts joined by `/`. */
export type Tree = ReadonlyMap<string, Entry>;

/** Changes whenever an entry does, as far as its side can tell; empty for none. SFTP knows whole seconds only. */
export function printOf(entry: Entry | undefined): string {
  if (entry === undefined) return '';
  switch (entry.kind) {
    case 'file':
      return `file ${entry.mode} ${entry.size} ${entry.mtimeMs}`;
    case 'folder':
      return `folder ${entry.mode}`;
    case 'link':
      return `link ${entry.target}`;
    default:
      throw new Error(`unreachable: ${JSON.stringify(entry satisfies never)}`);
  }
}

/** As the other side will have it. */
export function inSeconds(entry: Entry): Entry {
  return entry.kind === 'file' ? { ...entry, mtimeMs: Math.floor(entry.mtimeMs / 1000) * 1000 } : entry;
}

export function isSame(a: Entry | undefined, b: Entry | undefined): boolean {
  return printOf(a && inSeconds(a)) === printOf(b && inSeconds(b));
}
