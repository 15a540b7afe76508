import { Socket } from 'node:net';
import { Duplex, type Readable, type Writable } from 'node:stream';
import type { ByteReader } from './byte-reader.ts';

/** Two directions of one stream, as the rest of the room uses it. */
export interface Line {
  reader: ByteReader;
  stream: Duplex;
}

/** Resolves once there is room for more; rejects when the stream ends before. */
export function send(to: Writable, bytes: Buffer | string): Promise<void> {
  // Asked for first: ssh2's channels take bytes after their end without ever calling back.
  if (to.destroyed || !to.writable) return Promise.reject(new Error('the other side is gone'));
  if (to.write(bytes)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      to.off('drain', onDrain).off('close', onEnd).off('error', onEnd);
    };
    const onDrain = (): void => {
      settle();
      resolve();
    };
    const onEnd = (): void => {
      settle();
      reject(new Error('the other side left'));
    };
    to.on('drain', onDrain).on('close', onEnd).on('error', onEnd);
  });
}

/** Carries everything one way, and then the end. @throws when either side goes before the end */
export async function pump(from: ByteReader, to: Writable): Promise<void> {
  const first = await from.read();
  if (first !== undefined) {
    await send(to, first);
    await flow(await from.release(), to);
  }
  to.end();
}

function flow(from: Readable, to: Writable): Promise<void> {
  if (from.readableEnded) return Promise.resolve();
  if (from.destroyed || to.destroyed) return Promise.reject(new Error('a side is gone'));
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      from.unpipe(to).off('end', onEnd).off('close', onLoss).off('error', onLoss);
      to.off('close', onLoss).off('error', onLoss);
    };
    const onEnd = (): void => {
      settle();
      resolve();
    };
    const onLoss = (): void => {
      settle();
      reject(new Error('a side left'));
    };
    from.on('end', onEnd).on('close', onLoss).on('error', onLoss);
    to.on('close', onLoss).on('error', onLoss);
    from.pipe(to, { end: false });
  });
}

/** Carries everything both ways, each way's end by itself; resolves once both have ended. A failure of one side resets the other. */
export async function splice(a: Line, b: Line): Promise<void> {
  try {
    await Promise.all([pump(a.reader, b.stream), pump(b.reader, a.stream)]);
  } catch {
    // Whatever broke, the other side must not take it for an end.
    reset(a.stream);
    reset(b.stream);
  }
}

/**
 * Breaks a stream off so that its peer can tell it from an end, as far as the transport can say so: TCP by RST. A unix socket can't; there
 * the peer sees that HTTP's own framing is cut short.
 */
export function reset(stream: Duplex): void {
  if (stream.destroyed) return;
  if (stream instanceof Socket && stream.remoteFamily !== undefined) stream.resetAndDestroy();
  // Not the channel's own: ssh2's ends it in order.
  else Duplex.prototype.destroy.call(stream, new Error('reset'));
}
