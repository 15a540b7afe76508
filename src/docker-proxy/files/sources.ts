import { createHash } from 'node:crypto';
import { mkdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, posix, sep } from 'node:path';
import { GatewayError, messageOf } from '../../errors.ts';
import type { RemoteHost } from '../remote.ts';
import type { Carried } from './carried.ts';
import { isMissing, type RemoteFiles } from './remote-files.ts';
import { makeRemoteFolder, toPlaceFailure, unnameCopy } from './remote-root.ts';

export interface SourceDeps {
  remote: Pick<RemoteHost, 'openFiles' | 'dockerSocket'>;
  owner: string;
  /** Where the proxy itself listens, when that is a socket: containers that get it mean the daemon's. */
  ownSocket: string | undefined;
  /** Local folders of which containers may get something; undefined: all. */
  allowedPaths: readonly string[] | undefined;
}

const DOCKER_SOCKETS = ['/var/run/docker.sock', '/run/docker.sock'];
/** Of the machine that a container runs on, whoever asks. */
const OF_THE_HOST = ['/proc', '/sys', '/dev', '/run', '/var/run', '/var/lib/docker', '/lib/modules', '/etc/localtime'];

/** Where copies lie on the remote host, under its user's home: by owner, then by local path. */
const REMOTE_FOLDER = '.cache/nekogate/files';

/**
 * What the remote daemon is told instead of a local path; a place for it is made there. undefined: it is the remote's own path.
 * @param isMade whether a folder that isn't there is made, as the daemon itself does for `-v`
 * @throws GatewayError BAD_REQUEST in the daemon's words where it has some, POLICY_REFUSED
 */
export async function carrySource(
  deps: SourceDeps,
  asked: string,
  { isWritable, isMade }: { isWritable: boolean; isMade: boolean },
): Promise<Carried[number] | undefined> {
  const path = posix.normalize(asked).replace(/(?<=.)\/$/, '');
  if (DOCKER_SOCKETS.includes(path) || path === deps.ownSocket) return { asked, remote: deps.remote.dockerSocket };
  if (OF_THE_HOST.some((folder) => isWithin(path, folder))) return undefined;
  const { root, only } = await findLocal(path, isMade);
  const real = only === undefined ? root : posix.join(root, only);
  if (root === '/' && only === undefined)
    throw new GatewayError('POLICY_REFUSED', 'the whole of / is not carried to the remote host; name a folder');
  if (deps.allowedPaths !== undefined && !(await isAllowed(real, deps.allowedPaths)))
    throw new GatewayError('POLICY_REFUSED', `${asked} is in none of the folders that the docker proxy may carry`);
  const files = await deps.remote.openFiles();
  const name = createHash('sha256').update(real).digest('hex').slice(0, 16);
  const remoteRoot = posix.join(await files.realPath('.'), REMOTE_FOLDER, deps.owner, name);
  const remote = only === undefined ? remoteRoot : posix.join(remoteRoot, only);
  try {
    await makeRemoteFolder(files, remoteRoot);
    // The daemon takes a file only if it is one when it first looks.
    if (only !== undefined) await makeRemoteFile(files, remoteRoot, remote);
  } catch (error) {
    throw await toPlaceFailure(files, remote, error);
  }
  return { asked, remote, folder: { root, ...(only === undefined ? {} : { only }), remoteRoot, isWritable } };
}

async function makeRemoteFile(files: RemoteFiles, remoteRoot: string, path: string): Promise<void> {
  await files.lstat(path).catch(async (error: unknown) => {
    if (!isMissing(error)) throw error;
    // Whoever remembers another file there would take the empty one for its change.
    await unnameCopy(files, remoteRoot);
    await using file = await files.open(path, 'wx');
    await file.close();
  });
}

async function findLocal(path: string, isMade: boolean): Promise<{ root: string; only: string | undefined }> {
  try {
    if (isMade) await mkdir(path, { recursive: true }).catch(ignoreExisting);
    const real = await realpath(path);
    const stats = await stat(real);
    if (stats.isDirectory()) return { root: real, only: undefined };
    if (stats.isFile()) return { root: dirname(real), only: basename(real) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      throw new GatewayError(
        'BAD_REQUEST',
        `invalid mount config for type "bind": bind source path does not exist: ${path}`,
        { cause: error },
      );
    throw new GatewayError('BAD_REQUEST', `error while creating mount source path '${path}': ${messageOf(error)}`, {
      cause: error,
    });
  }
  throw new GatewayError(
    'BAD_REQUEST',
    `${path} is a socket, a device or a pipe, which the docker proxy can't carry to the remote host`,
  );
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}

async function isAllowed(real: string, allowed: readonly string[]): Promise<boolean> {
  const roots = await Promise.all(allowed.map((path) => realpath(path).catch(() => path)));
  return roots.some((root) => isWithin(real, root));
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
