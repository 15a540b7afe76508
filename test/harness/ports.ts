import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

/** Has the server listen on loopback; resolves with the port that it was given. */
export async function listenOnAnyPort(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens nowhere');
  return address.port;
}

/** One that nobody has now, for a program that is told its port and takes it at once. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenOnAnyPort(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** Whether somebody listens there. */
export async function canConnect(port: number, host = '127.0.0.1'): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    // Nobody, or not yet.
    return false;
  } finally {
    socket.destroy();
  }
}
