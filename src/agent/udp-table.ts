import { readFile } from 'node:fs/promises';

/**
 * The IPv4 address at which this host reaches the socket that has a UDP port; undefined where none has. What a streamer's candidates
 * say is no help: they carry the address that viewers are told. Linux's proc(5), /proc/net/udp.
 */
export async function findUdpAddress(port: number): Promise<string | undefined> {
  return addressOf(await readFile('/proc/net/udp', 'utf8'), port);
}

/** As `findUdpAddress`, in a table of the kernel's: an address stands there as a number of the machine's, so little-endian. */
export function addressOf(table: string, port: number): string | undefined {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  for (const line of table.split('\n')) {
    const [, hex, found] = /^\s*\d+: ([0-9A-F]{8}):([0-9A-F]{4}) /.exec(line) ?? [];
    if (hex === undefined || found !== wanted) continue;
    const bytes = Buffer.from(hex, 'hex').toReversed();
    return bytes.every((byte) => byte === 0) ? '127.0.0.1' : bytes.join('.');
  }
  return undefined;
}
