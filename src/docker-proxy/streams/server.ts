import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** A server of streams that each side may end by itself; who opened it tells it where to listen. */
export interface StreamServer {
  server: Server;
  /** Connected now. */
  connections: () => number;
  /** Listens no more from now on, and resolves once who is connected has ended by itself. After it listened. */
  leave: () => Promise<void>;
  /** As `leave`, and breaks off who is connected. */
  close: () => Promise<void>;
}

/** `connectionsMax`: one more is hung up on. */
export function createStreamServer(connectionsMax: number, onConnection: (socket: Socket) => void): StreamServer {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.maxConnections = connectionsMax;
  let left: Promise<unknown> | undefined;
  const leave = async (): Promise<void> => {
    if (left === undefined) {
      left = once(server, 'close');
      server.close();
    }
    await left;
  };
  return {
    server,
    connections: () => sockets.size,
    leave,
    close: async () => {
      const closed = leave();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
