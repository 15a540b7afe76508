import { randomUUID } from 'node:crypto';
import { posix } from 'node:path';
import { GatewayError, messageOf } from '../../errors.ts';
import { isMissing, isUnexplained, type RemoteFiles } from './remote-files.ts';

const PRIVATE_MODE = 0o700;
const ID_MAX_BYTES = 64;

/** Makes a folder, and those above it for the remote user alone. */
export async function makeRemoteFolder(files: RemoteFiles, path: string, mode?: number): Promise<void> {
  try {
    await files.lstat(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await makeRemoteFolder(files, posix.dirname(path), PRIVATE_MODE);
    await files.makeFolder(path, mode).catch(async (failure: unknown) => {
      // Somebody else made it meanwhile.
      await files.lstat(path).catch(() => {
        throw failure;
      });
    });
  }
}

/** Makes a copy known by a name that lies beside it, which a container can't reach. @returns it */
export async function nameCopy(files: RemoteFiles, remoteRoot: string): Promise<string> {
  const id = randomUUID();
  await using file = await files.open(idFile(remoteRoot), 'w');
  await file.write(Buffer.from(id), 0);
  await file.close();
  return id;
}

export async function findCopyName(files: RemoteFiles, remoteRoot: string): Promise<string | undefined> {
  try {
    await using file = await files.open(idFile(remoteRoot), 'r');
    const piece = Buffer.alloc(ID_MAX_BYTES);
    return piece.toString('utf8', 0, await file.read(piece, 0));
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** From now on nothing is known of what is in a copy. */
export async function unnameCopy(files: RemoteFiles, remoteRoot: string): Promise<void> {
  await ignoreMissing(files.removeFile(idFile(remoteRoot)));
}

/**
 * Removes a copy and its name; what the user may not delete stays. Its name goes first: of a copy that is half gone nothing may be believed. Then it
 * goes as a whole. @throws what kept it
 */
export async function removeCopy(files: RemoteFiles, remoteRoot: string): Promise<void> {
  const unused = `${remoteRoot}.unused`;
  await unnameCopy(files, remoteRoot);
  await ignoreMissing(removeFolder(files, unused));
  await ignoreMissing(files.replace(remoteRoot, unused));
  await ignoreMissing(removeFolder(files, unused));
}

function idFile(remoteRoot: string): string {
  return `${remoteRoot}.id`;
}

async function removeFolder(files: RemoteFiles, path: string): Promise<void> {
  for (const { filename, attrs } of await files.list(path)) {
    if (filename === '.' || filename === '..') continue;
    const inner = posix.join(path, filename);
    if (attrs.isDirectory()) await removeFolder(files, inner);
    else await files.removeFile(inner);
  }
  await files.removeFolder(path);
}

async function ignoreMissing(task: Promise<void>): Promise<void> {
  await task.catch((error: unknown) => {
    if (!isMissing(error)) throw error;
  });
}

/** What a place takes at the least. */
const PLACE_BYTES = 4096;

/** Why there is no place for a copy, in words like the daemon's. */
export async function toPlaceFailure(files: RemoteFiles, path: string, cause: unknown): Promise<GatewayError> {
  if (cause instanceof GatewayError) return cause;
  const what = `error while creating mount source path '${path}' on the remote host`;
  // The nearest that is there.
  for (let at = path; isUnexplained(cause) && at !== '/'; at = posix.dirname(at)) {
    const isFull = await files.isFull(at, PLACE_BYTES);
    if (isFull === true) return new GatewayError('DISK_FULL', `${what}: no space left on device`, { cause });
    if (isFull === false) break;
  }
  return new GatewayError('FILES_FAILED', `${what}: ${messageOf(cause).toLowerCase()}`, { cause });
}
