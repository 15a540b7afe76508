import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findStreamer } from '../../src/neko/find.ts';
import { nekoCommand } from '../../src/neko/options.ts';
import { Child } from '../../src/process/child.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { ownAddress } from '../harness/own-address.ts';
import { freePort } from '../harness/ports.ts';
import type { Xvnc } from '../harness/xvnc.ts';
import type { Passwords, Target } from './target.ts';

export const PASSWORDS: Passwords = { admin: 'the-admin-password', user: 'the-user-password' };

export interface StreamerOptions {
  /** Beside or instead of those that a session's streamer gets. */
  flags?: Readonly<Record<string, string>>;
  sound?: { device: string; environment: Readonly<Record<string, string>> };
}

const SCREEN = { width: 1280, height: 720, rate: 25 };
const READY_POLL_MS = 20;

/** A streamer of the suite's own on that X server, as a session's supervisor starts it; resolves once it answers. */
export async function startStreamer(
  streamer: Exclude<Target, { kind: 'url' }>,
  xvnc: Xvnc,
  options: StreamerOptions,
): Promise<AsyncDisposable & { baseUrl: string; log: Child['log'] }> {
  await using opening = new AsyncDisposableStack();
  // neko reads a neko.yaml in its working folder.
  const folder = opening.use(await temporaryFolder());
  const port = await freePort();
  const { args, env } = nekoCommand({
    http: { host: '127.0.0.1', port },
    display: xvnc.display,
    screen: SCREEN,
    udpPorts: portRange(),
    nat1to1: [ownAddress()],
    audioDevice: options.sound?.device,
    secrets: { adminPassword: PASSWORDS.admin, userPassword: PASSWORDS.user },
    environment: {
      PATH: '/usr/local/bin:/usr/bin:/bin',
      HOME: homedir(),
      // GStreamer looks through all its plugins at first use of a home; once for all runs is enough.
      GST_REGISTRY: join(tmpdir(), 'nekogate-conformance-gst-registry.bin'),
      ...xvnc.env,
      ...options.sound?.environment,
    },
  });
  const found = findStreamer({ nekoBin: streamer.kind === 'binary' ? streamer.file : undefined, path: '' });
  const baseUrl = `http://127.0.0.1:${port}`;
  const child = opening.use(
    await Child.start(
      {
        name: 'the streamer',
        file: found.file,
        args: [...found.args, ...withFlags(args, options.flags ?? {})],
        env,
        cwd: folder.path,
        readyMs: 30_000,
      },
      (_child, signal) => untilHealthy(baseUrl, signal),
      AbortSignal.timeout(60_000),
    ),
  );
  const owned = opening.move();
  return { baseUrl, log: child.log, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The command line, with some flags replaced or added. */
function withFlags([command = '', ...args]: string[], flags: Readonly<Record<string, string>>): string[] {
  const kept = args.filter((argument) => !Object.keys(flags).some((name) => argument.startsWith(`--${name}=`)));
  return [command, ...kept, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
}

async function untilHealthy(baseUrl: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      const response = await fetch(`${baseUrl}/health`, { signal });
      if (response.ok) return;
    } catch {
      // Not listening yet; the child's exit or its deadline ends this.
    }
    await sleep(READY_POLL_MS, undefined, { signal });
  }
}

/** Away from the ports of other tests; where two streamers meet, each takes what is free. */
function portRange(): { min: number; max: number } {
  const min = 20_000 + 100 * Math.floor(Math.random() * 100);
  return { min, max: min + 99 };
}
