import { z } from 'zod';
import { FileEntry, FolderList } from '../protocol/tools.ts';
import { NekogateError } from './errors.ts';
import type { Caller, CallOptions, Content } from './http.ts';
import { pathOf } from './sessions.ts';

/** Of a file that goes up or down. */
const TRANSFER_MS = 600_000;

/** Files of a session's home. Paths go from there, like `Documents/letter.txt`; nothing outside of it is reached. */
export interface Files {
  /** What is in a folder; in the home itself when left out. `isWhole` is false where there is more. */
  list(path?: string, options?: CallOptions): Promise<z.infer<typeof FolderList>>;
  /** All of its bytes at once. @throws NekogateError NOT_FOUND | CONFLICT for a folder */
  read(path: string, options?: CallOptions): Promise<Uint8Array>;
  /** Its bytes as they come; resolves when the first do. A stream that is not read to its end is to be cancelled. */
  stream(path: string, options?: CallOptions): Promise<ReadableStream<Uint8Array>>;
  /** Puts a whole file there, and folders where they are missing; what was there stays until then. A GiB at most. @throws NekogateError DISK_FULL */
  write(path: string, content: Content, options?: CallOptions): Promise<FileEntry>;
  /** A file, or an empty folder. */
  remove(path: string, options?: CallOptions): Promise<void>;
}

const Nothing = z.undefined();

export function filesOf({ callApi, download, upload }: Caller, sessionId: string): Files {
  const at = (path: string): string => `${pathOf(sessionId)}/files/${partsOf(path)}`;
  const stream: Files['stream'] = (path, options) => download({ method: 'GET', path: at(path) }, options);
  return {
    list: (path = '', options) => {
      const folder = path === '' ? `${pathOf(sessionId)}/files/` : `${at(path)}/`;
      return callApi({ method: 'GET', path: folder, reply: FolderList }, options);
    },
    read: async (path, options) => {
      const bytes = await stream(path, options);
      try {
        return new Uint8Array(await new Response(bytes).arrayBuffer());
      } catch (cause) {
        options?.signal?.throwIfAborted();
        throw new NekogateError('GATEWAY_UNREACHABLE', `${path} came by half`, { retryable: true, cause });
      }
    },
    stream,
    write: (path, content, options) =>
      upload({ method: 'PUT', path: at(path), content, reply: FileEntry }, { timeoutMs: TRANSFER_MS, ...options }),
    remove: (path, options) => callApi({ method: 'DELETE', path: at(path), reply: Nothing }, options),
  };
}

/** @throws NekogateError BAD_REQUEST for what fetch would make another path of */
function partsOf(path: string): string {
  const names = path.split('/');
  if (names.some((name) => /^\.{0,2}$/.test(name)))
    throw new NekogateError(
      'BAD_REQUEST',
      'a path goes from the home down, like Documents/letter.txt, without "." and ".."',
    );
  return names.map(encodeURIComponent).join('/');
}
