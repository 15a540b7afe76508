import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** A server of streams that each side may end by itself; who opened it tells it where to listen. */
export interface StreamServer {
  server: Server;
  /** Connected now. */
  connections: () => number;
  /** Breaks off who is connected, and resolves once nobody is and nobody listens. Once, and after it listened. */
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
  return {
    server,
    connections: () => sockets.size,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
