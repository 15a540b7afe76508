import { createSocket } from 'node:dgram';

/** Gives each viewer a UDP port of its own out of a range. */
export class UdpPorts {
  readonly #range: { min: number; max: number };
  readonly #taken = new Set<number>();

  constructor(range: { min: number; max: number }) {
    this.#range = range;
  }

  /** A port that is free; `release` gives it back. Rejects when all are taken. */
  async take(): Promise<number> {
    for (let port = this.#range.min; port <= this.#range.max; port += 1) {
      if (this.#taken.has(port)) continue;
      // Taken before it is tried: another viewer may ask meanwhile.
      this.#taken.add(port);
      if (await isFree(port)) return port;
      this.#taken.delete(port);
    }
    throw new Error(`no UDP port is free from ${this.#range.min} to ${this.#range.max}`);
  }

  release(port: number): void {
    this.#taken.delete(port);
  }
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket('udp4');
  socket.once('error', () => {
    socket.close();
    resolve(false);
  });
  socket.bind(port, '0.0.0.0', () => socket.close(() => resolve(true)));
  return promise;
}
