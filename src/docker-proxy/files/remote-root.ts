import { posix } from 'node:path';
import { isMissing, type RemoteFiles } from './remote-files.ts';

/** Makes a folder and those above it, for the remote user alone from the first that is made. */
export async function makeRemoteFolder(files: RemoteFiles, path: string): Promise<void> {
  try {
    await files.lstat(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
    await makeRemoteFolder(files, posix.dirname(path));
    await files.makeFolder(path).catch(async (failure: unknown) => {
      // Somebody else made it meanwhile.
      await files.lstat(path).catch(() => {
        throw failure;
      });
    });
  }
}

/** A folder with all that is in it; what the user may not delete stays. @throws what kept it */
export async function removeRemoteFolder(files: RemoteFiles, path: string): Promise<void> {
  for (const { filename, attrs } of await files.list(path)) {
    if (filename === '.' || filename === '..') continue;
    const inner = posix.join(path, filename);
    if (attrs.isDirectory()) await removeRemoteFolder(files, inner);
    else await files.removeFile(inner);
  }
  await files.removeFolder(path);
}
