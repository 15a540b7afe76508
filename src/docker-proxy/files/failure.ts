import { GatewayError, messageOf } from '../../errors.ts';
import type { Entry } from './entry.ts';
import { isUnexplained } from './remote-files.ts';
import { ChangedMeanwhile, SideError, type Side } from './side.ts';

/** One path that could not be carried. */
export interface Failure {
  path: string;
  /** For people, with the path. */
  error: GatewayError;
  /** What is wanted is not there; else only too much is, or what a container keeps to itself. */
  isLack: boolean;
  /** Something of the remote's has not come here. */
  isUnbrought: boolean;
}

/** What was tried. */
interface Attempt {
  path: string;
  how: 'push' | 'pull';
  source: Entry | undefined;
}

/** The least that anything new takes. */
const BLOCK_BYTES = 4096;

/** undefined for what changed meanwhile, which is no failure. */
export async function toFailure(
  error: unknown,
  { path, how, source }: Attempt,
  { here, there }: { here: Side; there: Side },
): Promise<Failure | undefined> {
  if (error instanceof ChangedMeanwhile || (error instanceof SideError && error.reason === 'gone')) return undefined;
  const [from, to] = how === 'push' ? [here, there] : [there, here];
  const isClosed = error instanceof SideError && error.side === from;
  const isLack = source !== undefined && !(isClosed && how === 'pull');
  const isUnbrought = source !== undefined && how === 'pull';
  const found = { path, isLack, isUnbrought };
  if (error instanceof GatewayError) return { ...found, error };
  if (await to.isFull(error, BLOCK_BYTES)) return { ...found, error: diskFull(to, to.absolute(path), error) };
  const wayOut = isClosed && how === 'push' ? '; make it readable, or leave it out by .nekogateignore' : '';
  const why = isUnexplained(error) ? `${there.host} says no more than "Failure"` : `${messageOf(error)}${wayOut}`;
  const what = source === undefined ? `not deleted on both sides: ${here.absolute(path)}` : here.absolute(path);
  return { ...found, error: new GatewayError('FILES_FAILED', `${what}: ${why}`, { cause: error }) };
}

/** In the words of every other program, Docker's too. */
export function diskFull(to: Side, name: string, cause: unknown): GatewayError {
  return new GatewayError('DISK_FULL', `no space left on device: ${name} of ${to.host} could not be written`, {
    cause,
  });
}
