// Files of the home and nothing else. A path is walked once, what it leads to is held by a descriptor, and where that is, is looked at by the
// descriptor: a link that is put in the way meanwhile changes nothing (as openat2's RESOLVE_BENEATH, which Node hasn't).
import { open, mkdir, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { GatewayError } from '../../errors.ts';
import { failureOfFile } from './file-failures.ts';

/** open(2): a descriptor that only says where something is; nothing is opened. Not among Node's constants; the same on x86-64 and arm64. */
const O_PATH = 0o10_000_000;

/** Holds a place in the home; whoever has it closes it. */
export type Held = FileHandle;

/** How the rest of the system names what is held, or a name in the folder that is held. */
export function pathOf(held: Held, name?: string): string {
  return `/proc/self/fd/${held.fd}${name === undefined ? '' : `/${name}`}`;
}

/** What a path of the home leads to, links in the home included. @throws GatewayError NOT_FOUND | FORBIDDEN when it leads out | BAD_REQUEST */
export async function holdInHome(home: string, path: string): Promise<Held> {
  const names = namesIn(path);
  try {
    return await holdWithin(await realpath(home), [home, ...names].join('/'));
  } catch (thrown) {
    throw failureOfFile(thrown, path);
  }
}

/** The folder of what a path names, made with those above it where they are missing, and the name in it. @throws as `holdInHome` */
export async function holdFolderOf(
  home: string,
  path: string,
  { makes }: { makes: boolean },
): Promise<{ folder: Held; name: string }> {
  const names = namesIn(path);
  const name = names.pop();
  if (name === undefined) throw new GatewayError('BAD_REQUEST', 'the home itself is no file');
  try {
    const root = await realpath(home);
    let folder = await holdWithin(root, root);
    for (const next of names) {
      const above = folder;
      try {
        folder = await holdFolder(root, pathOf(above, next), makes);
      } finally {
        await above.close();
      }
    }
    return { folder, name };
  } catch (thrown) {
    throw failureOfFile(thrown, path);
  }
}

async function holdFolder(root: string, path: string, makes: boolean): Promise<Held> {
  try {
    return await holdWithin(root, path);
  } catch (thrown) {
    if (!makes || !(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown;
    // EEXIST: another upload was quicker; a link that leads nowhere fails just below.
    await mkdir(path).catch(() => undefined);
    return await holdWithin(root, path);
  }
}

async function holdWithin(root: string, path: string): Promise<Held> {
  const held = await open(path, O_PATH);
  try {
    const place = await readlink(pathOf(held));
    if (place === root || place.startsWith(`${root}/`)) return held;
    throw new GatewayError('FORBIDDEN', 'this leads out of the home');
  } catch (thrown) {
    await held.close();
    throw thrown;
  }
}

/** @throws GatewayError BAD_REQUEST for what is no path below the home */
function namesIn(path: string): string[] {
  if (path === '') return [];
  const names = path.split('/');
  const isBad = (name: string): boolean => name === '' || name === '.' || name === '..' || name.includes('\0');
  if (names.some(isBad))
    throw new GatewayError(
      'BAD_REQUEST',
      'a path goes from the home down, like Documents/letter.txt: without "." and "..", and without a slash before or after it',
    );
  return names;
}
