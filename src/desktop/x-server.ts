import { lstatSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Child } from '../process/child.ts';
import { claimSocket } from '../process/socket-claim.ts';
import type { Screen } from '../protocol/session.ts';
import { encodePasswordFile } from '../rfb/password.ts';
import { baseEnvironment, rfbSocketOf, xauthorityOf, type DesktopEnvironment } from './environment.ts';
import type { SessionFolder } from './folder.ts';
import { encodeXauthority, makeCookie } from './xauthority.ts';

const DISPLAY_SOCKETS = '/tmp/.X11-unix';

/** One Xvnc: an X server that serves RFB itself. */
export interface XServer {
  child: Child;
  /** As in `:7`. */
  display: string;
  /** What its clients show it. */
  cookie: Buffer;
}

/** RFB by TCP on all addresses of a container, to who knows the password. */
export interface RfbOverTcp {
  port: number;
  password: string;
}

/** Starts Xvnc on a display that it finds free itself, with a cookie of its own and RFB on a private socket; by TCP only where it is told to. */
export async function startXServer(
  file: string,
  options: { environment: DesktopEnvironment; screen: Screen; rfb?: RfbOverTcp | undefined },
  signal: AbortSignal,
): Promise<XServer> {
  const { environment, screen, rfb } = options;
  const { folder } = environment;
  const xauthority = xauthorityOf(folder);
  const cookie = makeCookie();
  await writeFile(xauthority, encodeXauthority(cookie), { mode: 0o600 });
  const args = [
    // Xvnc takes the first number whose abstract socket it can bind, and writes it once clients can connect. It makes no lock file then.
    ['-displayfd', '1'],
    ['-auth', xauthority],
    ['-geometry', `${screen.width}x${screen.height}`, '-depth', '24'],
    ['-nolisten', 'tcp', '-noreset'],
    ['-rfbunixpath', rfbSocketOf(folder), '-rfbunixmode', '0600', ...(await rfbArguments(folder, rfb))],
    ['-AlwaysShared', '-desktop', 'nekogate'],
  ].flat();
  let display = '';
  const child = await Child.start(
    { name: 'the X server', file, args, env: baseEnvironment(environment), cwd: folder.run },
    async (started, untilExit) => {
      display = `:${(await started.untilLine('stdout', /^(\d+)$/, untilExit))[1] ?? ''}`;
    },
    signal,
  );
  return { child, display, cookie };
}

async function rfbArguments(folder: SessionFolder, rfb: RfbOverTcp | undefined): Promise<string[]> {
  // On a socket that only this user can reach, a password would protect nothing.
  if (!rfb) return ['-rfbport', '-1', '-SecurityTypes', 'None'];
  const file = join(folder.run, 'rfb-password');
  await writeFile(file, encodePasswordFile(rfb.password), { mode: 0o600 });
  return ['-rfbport', String(rfb.port), '-SecurityTypes', 'VncAuth', '-rfbauth', file];
}

export async function stopXServer({ child }: XServer): Promise<void> {
  await child.stop();
  await removeDeadDisplays();
}

/** Removes the sockets in /tmp/.X11-unix that this user's X servers left behind when they were killed; those of live ones are left alone. */
export async function removeDeadDisplays(): Promise<void> {
  const names = await readdir(DISPLAY_SOCKETS).catch(() => []);
  for (const name of names) await removeIfDead(join(DISPLAY_SOCKETS, name));
}

async function removeIfDead(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat?.isSocket() || stat.uid !== process.getuid?.()) return;
  // Holding the display's abstract socket keeps it from being taken while we look: an X server binds that one first.
  const claim = await claimSocket(`\0${path}`);
  if (!claim) return;
  try {
    if (await isDead(path)) await rm(path, { force: true });
  } finally {
    await claim.release();
  }
}

/** Whether nobody listens on it any more. */
function isDead(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error) => resolve('code' in error && error.code === 'ECONNREFUSED'));
  });
}
