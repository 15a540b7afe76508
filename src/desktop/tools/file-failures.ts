import { GatewayError, messageOf, type FailureCode } from '../../errors.ts';

/** What the system says of files, and what that is for a caller. */
const FAILURES: Readonly<Record<string, readonly [FailureCode, string]>> = {
  ENOENT: ['NOT_FOUND', 'there is no'],
  ENOTDIR: ['NOT_FOUND', 'there is no'],
  ELOOP: ['NOT_FOUND', 'links in a circle lead nowhere:'],
  ENAMETOOLONG: ['BAD_REQUEST', 'a name in this is too long:'],
  EACCES: ['FORBIDDEN', "the session's user may not do this with"],
  EPERM: ['FORBIDDEN', "the session's user may not do this with"],
  EROFS: ['FORBIDDEN', 'this may only be read:'],
  EISDIR: ['CONFLICT', 'this is a folder:'],
  ENOTEMPTY: ['CONFLICT', 'this folder is not empty:'],
  EBUSY: ['CONFLICT', 'this is in use:'],
  ENOSPC: ['DISK_FULL', 'the disk of the session has no room for'],
  EDQUOT: ['DISK_FULL', "the session's user has no room left for"],
  EFBIG: ['MESSAGE_TOO_BIG', 'this is longer than files may be there:'],
};

/** A failure of the file system as one that a caller understands; what is one already stays itself. */
export function failureOfFile(thrown: unknown, path: string): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
  const [failure, words] = FAILURES[code] ?? (['TOOLS_FAILED', `${messageOf(thrown)}:`] as const);
  return new GatewayError(failure, `${words} ${path === '' ? 'the home' : path}`, { cause: thrown });
}
