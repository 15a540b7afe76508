import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { GatewayError } from '../errors.ts';

/**
 * Characters of a session folder's path. Sockets lie in it, and a socket's path may have 107 (unix(7)); the longest that we know is
 * Chromium's, `tmp/org.chromium.Chromium.XXXXXX/SingletonSocket`.
 */
const FOLDER_MAX_CHARS = 56;

/** Where one session keeps what it has on disk. Its name is not the session's id, which may be too long for sockets below it. */
export interface SessionFolder {
  path: string;
  /** The programs' own: HOME, TMPDIR. A home outside of `path` outlives the session. */
  home: string;
  tmp: string;
  /** Sockets, cookie and configuration of the desktop's parts. */
  run: string;
}

/** `home` is elsewhere when it is to outlive the session. */
export function sessionFolder(path: string, home = join(path, 'home')): SessionFolder {
  return { path, home, tmp: join(path, 'tmp'), run: join(path, 'run') };
}

/**
 * A new, empty folder of this user alone under `runtimeDir`; whoever made it removes it.
 * @throws GatewayError SESSION_START_FAILED when it can't be had, or the path is too long for sockets
 */
export function makeSessionFolder(runtimeDir: string): string {
  const parent = sessionsFolder(runtimeDir);
  const path = join(parent, randomBytes(4).toString('hex'));
  if (path.length > FOLDER_MAX_CHARS)
    throw new GatewayError(
      'SESSION_START_FAILED',
      `${path} is too long for the sockets in it (${FOLDER_MAX_CHARS} characters at most); set NEKOGATE_RUNTIME_DIR to a shorter path`,
    );
  makePrivate(runtimeDir);
  makePrivate(parent);
  // Recursive, since another agent may just have removed the empty folders above.
  mkdirSync(path, { mode: 0o700, recursive: true });
  return path;
}

/** The session folders that lie there now. */
export function listSessionFolders(runtimeDir: string): string[] {
  const parent = sessionsFolder(runtimeDir);
  try {
    return readdirSync(parent).map((name) => join(parent, name));
  } catch {
    // ENOENT: no session ever ran here.
    return [];
  }
}

/** Makes what the desktop's parts and programs need in it. */
export async function fillSessionFolder(folder: SessionFolder): Promise<void> {
  for (const path of [folder.home, folder.tmp, folder.run]) await mkdir(path, { mode: 0o700, recursive: true });
}

/** Removes what `fillSessionFolder` made and all that came into it since, but for a home that lies elsewhere. */
export async function emptySessionFolder({ path, home, tmp, run }: SessionFolder): Promise<void> {
  const ownHome = home.startsWith(`${path}/`) ? [home] : [];
  for (const folder of [...ownHome, tmp, run]) await removeFolder(folder);
}

/** Where a home that outlives its sessions lies. */
export function homeFolderOf(dataDir: string, home: string): string {
  return join(dataDir, 'homes', home);
}

/**
 * The folder of a home that outlives its sessions, made where it is missing.
 * @throws GatewayError SESSION_START_FAILED when it can't be had
 */
export function makeHomeFolder(dataDir: string, home: string): string {
  const path = homeFolderOf(dataDir, home);
  try {
    mkdirSync(path, { mode: 0o700, recursive: true });
    return path;
  } catch (cause) {
    throw new GatewayError('SESSION_START_FAILED', `the home ${home} can't be made at ${path}: ${String(cause)}`, {
      cause,
    });
  }
}

/** One that isn't there is fine. */
export async function removeHomeFolder(dataDir: string, home: string): Promise<void> {
  await removeFolder(homeFolderOf(dataDir, home));
}

/** Removes a session's folder, and the runtime folder with it when it was the last one. */
export async function removeSessionFolder(path: string): Promise<void> {
  await removeFolder(path);
  const parent = dirname(path);
  for (const empty of [parent, dirname(parent)]) {
    // ENOTEMPTY while other sessions have folders there, ENOENT when another agent was quicker.
    await rmdir(empty).catch(() => undefined);
  }
}

async function removeFolder(path: string): Promise<void> {
  // Retried, since a program that was just killed may still have a file on its way (ENOTEMPTY).
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

function sessionsFolder(runtimeDir: string): string {
  return join(runtimeDir, 's');
}

/** Under /tmp anybody may have made it first, for us to put sockets and passwords in. */
function makePrivate(path: string): void {
  mkdirSync(path, { mode: 0o700, recursive: true });
  const stat = lstatSync(path);
  const mine = stat.isDirectory() && stat.uid === process.getuid?.() && (stat.mode & 0o077) === 0;
  if (!mine)
    throw new GatewayError(
      'SESSION_START_FAILED',
      `${path} is not a folder that only this user may enter; remove it, or set NEKOGATE_RUNTIME_DIR to another place`,
    );
}
