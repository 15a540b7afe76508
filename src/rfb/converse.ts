import type { Duplex } from 'node:stream';
import { toGatewayError, type GatewayError } from '../errors.ts';
import { Dialogue, type Script } from './dialogue.ts';

export interface ConverseOptions {
  /** Time for all of it. */
  withinMs: number;
  /** Gives it up with its reason. */
  signal: AbortSignal;
  /** What a stream that is silent, ends or breaks meanwhile is told as. */
  failure: (what: string, cause?: unknown) => GatewayError;
}

const NOTHING = new Uint8Array(0);

/**
 * Goes through a script over a stream that nobody else reads. Resolves with its result and the stream paused, what came beyond the
 * end still to be read. The stream is the caller's all the time, which has to hear its errors.
 * @throws GatewayError the script's own, the signal's reason, or `failure`
 */
export async function converse<Result>(
  stream: Duplex,
  script: Script<Result>,
  { withinMs, signal, failure }: ConverseOptions,
): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  const dialogue = new Dialogue(script, (bytes) => stream.write(bytes));
  const push = (chunk: Uint8Array): void => {
    try {
      const end = dialogue.push(chunk);
      if (!end) return;
      stream.pause().off('data', push);
      if (end.rest.length > 0) stream.unshift(end.rest);
      resolve(end.result);
    } catch (thrown) {
      reject(toGatewayError(thrown));
    }
  };
  const timer = setTimeout(() => reject(failure(`said too little within ${withinMs} ms`)), withinMs);
  const onAbort = (): void => reject(toGatewayError(signal.reason));
  const onEnd = (): void => reject(failure('hung up in its handshake'));
  const onError = (cause: Error): void => reject(failure(`can't be reached: ${cause.message}`, cause));
  stream.on('data', push).on('end', onEnd).on('close', onEnd).on('error', onError);
  signal.addEventListener('abort', onAbort);
  try {
    if (signal.aborted) onAbort();
    else {
      // One that the conversation before left paused would stay so.
      stream.resume();
      push(NOTHING);
    }
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    stream.off('data', push).off('end', onEnd).off('close', onEnd).off('error', onError);
  }
}
