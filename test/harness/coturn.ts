import { randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import type { TurnServers } from '../../src/agent/turn.ts';
import { temporaryFolder } from './folder.ts';
import { ownAddress } from './own-address.ts';
import { canConnect } from './ports.ts';

const READY_TRIES_MAX = 200;

export interface Coturn extends AsyncDisposable {
  /** What an agent is told of it. */
  servers: TurnServers;
  /** What it wrote so far. */
  output(): string;
}

/** A real coturn with a secret of its own, on an address of this machine that is not loopback's: the rule is that it relays to none there. */
export async function startCoturn(address = ownAddress()): Promise<Coturn> {
  await using starting = new AsyncDisposableStack();
  const folder = starting.use(await temporaryFolder());
  const secret = randomBytes(16).toString('hex');
  const port = await freePort(address);
  const file = join(folder.path, 'turnserver.conf');
  const settings = [
    `listening-ip=${address}`,
    `relay-ip=${address}`,
    `listening-port=${port}`,
    'realm=nekogate.test',
    'use-auth-secret',
    `static-auth-secret=${secret}`,
    `userdb=${join(folder.path, 'turndb')}`,
    `pidfile=${join(folder.path, 'pid')}`,
    'log-file=stdout',
    'verbose',
    'no-cli',
    'no-tls',
    'no-dtls',
  ];
  await writeFile(file, `${settings.join('\n')}\n`, { mode: 0o600 });
  const child = execa('turnserver', ['-c', file], { all: true, buffer: false, reject: false, stdin: 'ignore' });
  let output = '';
  child.all.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  starting.defer(async () => {
    child.kill('SIGTERM');
    await child;
  });
  await untilListening(address, port, () => output);
  const owned = starting.move();
  return {
    servers: { urls: [`turn:${address}:${port}?transport=udp`], secret },
    output: () => output,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Free for UDP and TCP, and below those that the kernel gives away by itself. */
async function freePort(address: string): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 30_000);
    const udp = createSocket('udp4');
    const tcp = createServer();
    try {
      await Promise.all([once(udp.bind(port, address), 'listening'), once(tcp.listen(port, address), 'listening')]);
      return port;
    } catch {
      // Somebody's: the next one.
    } finally {
      await udp[Symbol.asyncDispose]();
      tcp.close();
    }
  }
}

async function untilListening(address: string, port: number, output: () => string): Promise<void> {
  for (let tries = 0; tries < READY_TRIES_MAX; tries += 1) {
    if (await canConnect(port, address)) return;
    await sleep(50);
  }
  throw new Error(`coturn does not listen: ${output()}`);
}
