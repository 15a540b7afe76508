import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { temporaryFolder } from '../harness/folder.ts';

/** A network of its own for viewers, one link from this host, with a fence that lets through what it is told. */
export interface FencedNetwork extends AsyncDisposable {
  /** This host, as viewers reach it. */
  hostAddress: string;
  /** A script that runs Chromium among the viewers. */
  chromium: string;
  /** What viewers send is dropped where it fits one of these iptables matches; nothing is, with none. */
  fence(...matches: string[][]): Promise<void>;
}

/** Gone with its namespace when it is disposed of. @throws Error that says what is missing when this machine can't make one */
export async function openFencedNetwork(): Promise<FencedNetwork> {
  await using opening = new AsyncDisposableStack();
  const id = process.pid % 60_000;
  const viewers = `nkf${id}`;
  const net = `10.232.${id % 256}`;
  const hostAddress = `${net}.1`;
  await ip(['netns', 'add', viewers]);
  opening.defer(() => ip(['netns', 'del', viewers]));
  await ip(['link', 'add', `nkg${id}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', viewers]);
  // Before its namespace, which takes a while to go.
  opening.defer(() => ip(['link', 'del', `nkg${id}`]));
  await ip(['addr', 'add', `${hostAddress}/30`, 'dev', `nkg${id}`]);
  await ip(['link', 'set', `nkg${id}`, 'up']);
  await ip(['-n', viewers, 'addr', 'add', `${net}.2/30`, 'dev', 'eth0']);
  for (const device of ['eth0', 'lo']) await ip(['-n', viewers, 'link', 'set', device, 'up']);
  await ip(['-n', viewers, 'route', 'add', 'default', 'via', hostAddress]);
  const folder = opening.use(await temporaryFolder());
  const chromium = join(folder.path, 'chromium');
  await writeFile(chromium, `#!/bin/sh\nexec ip netns exec ${viewers} /usr/bin/chromium "$@"\n`);
  await chmod(chromium, 0o755);
  const rule = (args: string[]): Promise<void> => ip(['netns', 'exec', viewers, 'iptables', ...args]);
  const owned = opening.move();
  return {
    hostAddress,
    chromium,
    async fence(...matches) {
      await rule(['--flush', 'OUTPUT']);
      for (const match of matches) await rule(['--append', 'OUTPUT', ...match, '--jump', 'DROP']);
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function ip(args: string[]): Promise<void> {
  await execa('ip', args);
}
