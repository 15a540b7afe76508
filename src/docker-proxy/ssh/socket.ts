import { createConnection, type Socket } from 'node:net';
import type ssh2 from 'ssh2';

/** Several of SSH's packets at once; more adds nothing. */
const READ_BYTES = 256 * 1024;

/**
 * A TCP socket for a client that is about to connect, with less work for each packet than usual: it reads into one buffer again and again, for the
 * collection of all these buffers takes more than deciphering them does. With ciphers other than GCM each read is a copy, for ssh2 keeps parts of it then.
 */
export function openSocket(client: ssh2.Client, host: string, port: number): Socket {
  let isReady = false;
  let isConsumed = false;
  client.once('ready', () => (isReady = true)).on('handshake', ({ sc }) => (isConsumed = sc.cipher.includes('-gcm')));
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const callback = (length: number): true => {
    const bytes = buffer.subarray(0, length);
    // A socket that reads this way leaves its event to its owner.
    if (isReady && isConsumed) withoutStacks(() => socket.emit('data', bytes));
    else socket.emit('data', Buffer.from(bytes));
    return true;
  };
  const socket = createConnection({ host, port, onread: { buffer, callback } });
  return socket;
}

/** Whenever Node is given a cipher's key it throws and catches two errors in itself, whose stacks take a quarter of the time of a packet. */
function withoutStacks(task: () => void): void {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    task();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
