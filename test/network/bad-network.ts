import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa, ExecaError } from 'execa';
import { temporaryFolder } from '../harness/folder.ts';
import type { NetworkState } from './impairment.ts';
import type { RelayOrder } from './relay.ts';

const RELAY = fileURLToPath(new URL('./relay.ts', import.meta.url));

/** A network of its own for viewers, with a bad link between them and this host. */
export interface BadNetwork extends AsyncDisposable {
  /** This host, as the relay reaches it: a gateway has to listen here. */
  hostAddress: string;
  /** This host, as viewers reach it: what a streamer has to offer. */
  publicAddress: string;
  /** A script that runs Chromium among the viewers. */
  chromium: string;
  /** Hands the ports of `publicAddress` on from now. */
  relay(ports: Pick<RelayOrder, 'udp' | 'tcp'>): Promise<void>;
  set(state: NetworkState): Promise<void>;
}

/**
 * viewers' namespace ⇄ relay's namespace ⇄ this host, each link a veth pair. The relay's doesn't forward: all that passes goes through
 * the relay. Gone with its namespaces when it is disposed of.
 * @throws Error that says what is missing when this machine can't make network namespaces
 */
export async function openBadNetwork(): Promise<BadNetwork> {
  await using opening = new AsyncDisposableStack();
  const id = process.pid % 60_000;
  const [viewers, middle] = [`nkv${id}`, `nkm${id}`];
  const net = `10.231.${id % 256}`;
  const address = { viewer: `${net}.2`, public: `${net}.1`, relay: `${net}.5`, host: `${net}.6` };
  for (const namespace of [viewers, middle]) {
    await ip(['netns', 'add', namespace]).catch(explain);
    opening.defer(() => ip(['netns', 'del', namespace]));
  }
  // A veth pair is gone with either of its ends, and those with their namespaces.
  await ip(['link', 'add', `nkh${id}`, 'type', 'veth', 'peer', 'name', 'host', 'netns', middle]).catch(explain);
  await ip(['-n', middle, 'link', 'add', 'viewers', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', viewers]);
  await ip(['addr', 'add', `${address.host}/30`, 'dev', `nkh${id}`]);
  await ip(['link', 'set', `nkh${id}`, 'up']);
  for (const [namespace, device, own] of [
    [middle, 'host', address.relay],
    [middle, 'viewers', address.public],
    [viewers, 'eth0', address.viewer],
  ] as const) {
    await ip(['-n', namespace, 'addr', 'add', `${own}/30`, 'dev', device]);
    await ip(['-n', namespace, 'link', 'set', device, 'up']);
    await ip(['-n', namespace, 'link', 'set', 'lo', 'up']);
  }
  // Chromium offers no candidate on a host without a default route.
  await ip(['-n', viewers, 'route', 'add', 'default', 'via', address.public]);
  const folder = opening.use(await temporaryFolder());
  const chromium = join(folder.path, 'chromium');
  await writeFile(chromium, `#!/bin/sh\nexec ip netns exec ${viewers} /usr/bin/chromium "$@"\n`);
  await chmod(chromium, 0o755);
  const relays = opening.use(new AsyncDisposableStack());
  let tell: ((state: NetworkState) => void) | undefined;
  const cut = ['-n', middle, 'route', 'replace', 'blackhole', `${address.viewer}/32`];
  const mend = ['-n', middle, 'route', 'flush', 'type', 'blackhole'];
  const owned = opening.move();
  return {
    hostAddress: address.host,
    publicAddress: address.public,
    chromium,
    async relay(ports) {
      const order: RelayOrder = { listen: address.public, target: address.host, ...ports };
      const args = ['netns', 'exec', middle, process.execPath, RELAY, JSON.stringify(order)];
      const relay = execa('ip', args, { stdout: 'pipe', stderr: 'inherit', buffer: false, reject: false });
      relays.defer(async () => {
        relay.stdin.end();
        await relay;
      });
      const ended = relay.then(() => Promise.reject(new Error('the relay ended before it was ready')));
      await Promise.race([once(relay.stdout, 'data'), ended]);
      tell = (state) => relay.stdin.write(`${JSON.stringify(state)}\n`);
    },
    async set(state) {
      if (tell === undefined) throw new Error('there is no relay yet');
      tell(state);
      // So that what TCP has under way is lost and waits for its retransmission, as it would.
      await ip(state === 'cut' ? cut : mend);
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function ip(args: string[]): Promise<void> {
  await execa('ip', args);
}

function explain(cause: unknown): never {
  const why = cause instanceof ExecaError ? cause.stderr : String(cause);
  throw new Error(
    `this machine can't make network namespaces, which the bad-network runs need (root or CAP_NET_ADMIN and CAP_SYS_ADMIN, the package iproute2, veth in the kernel): ${String(why)}`,
    { cause },
  );
}
