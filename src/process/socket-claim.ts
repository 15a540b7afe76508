import { once } from 'node:events';
import { createServer } from 'node:net';

/** Something that one process on this host has; the kernel takes it back when the process dies, however it dies. */
export interface SocketClaim {
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Binds a unix socket that nobody is to connect to, for its name alone. An abstract name (a leading zero byte, unix(7)) leaves no
 * file and belongs to the network namespace.
 * @returns undefined when somebody has it
 */
export async function claimSocket(name: string): Promise<SocketClaim | undefined> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(name);
    await once(server, 'listening');
  } catch {
    // EADDRINUSE.
    return undefined;
  }
  // It must not keep its process alive.
  server.unref();
  return {
    release: () =>
      new Promise((resolve) => {
        // Closing one that is closed says so in an error, which is fine.
        server.close(() => resolve());
      }),
  };
}
