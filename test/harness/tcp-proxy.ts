import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { listenOnAnyPort } from './ports.ts';

export interface TcpProxy extends AsyncDisposable {
  port: number;
  /** Breaks every connection that goes through it now, without a word to either end. */
  cut(): void;
  /** Cuts, and lets no new connection through either. */
  block(): void;
  mend(): void;
}

/** A link to a port on this machine that can be broken. */
export async function openTcpProxy(to: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let isBlocked = false;
  const server = createServer((near) => {
    if (isBlocked) {
      near.resetAndDestroy();
      return;
    }
    const far = connect(to, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => sockets.delete(socket));
    }
    near.once('close', () => far.destroy());
    far.once('close', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  const port = await listenOnAnyPort(server);
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port,
    cut,
    block() {
      isBlocked = true;
      cut();
    },
    mend() {
      isBlocked = false;
    },
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
