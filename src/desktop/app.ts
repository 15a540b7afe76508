import { statfsSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import { Child, type ChildExit } from '../process/child.ts';
import { findExecutable } from '../process/executable.ts';
import type { SessionSpec } from '../protocol/session.ts';
import { displayEnvironment, type DesktopEnvironment } from './environment.ts';
import type { Part } from './keeper.ts';
import { BROWSERS, requireSandbox } from './sandbox.ts';

export const TERMINAL = 'xterm';

/** A program that ended well after this long was closed by its user: started again, but not held against it. */
const WISH_MS = 2000;
/** Chromium's renderers share pictures through /dev/shm and crash when it is as small as a container's default 64 MiB. */
const SHARED_MEMORY_MIN_BYTES = 512 * 1024 * 1024;

/**
 * The program that a session shows. It is started again whenever it ends, so that the desktop is never empty.
 * @throws GatewayError SESSION_START_FAILED when the program isn't there, DEPENDENCY_MISSING when there is none to choose
 */
export function sessionApp(spec: SessionSpec, environment: DesktopEnvironment, display: string): Part {
  const [name, ...args] = spec.app ?? defaultApp(environment);
  const file = name === undefined ? undefined : findExecutable(name, environment.path);
  if (file === undefined)
    throw new GatewayError(
      'SESSION_START_FAILED',
      `the program ${name} is not on this host (PATH is ${environment.path})`,
    );
  const inheritable = { ...environment.inheritable, ...spec.environment };
  const env = displayEnvironment({ ...environment, inheritable }, display);
  return {
    name: `the program ${name}`,
    start: async (signal) => {
      await requireSandbox(file, args, environment.path);
      return Child.start(
        { name: `the program ${name}`, file, args, env, cwd: environment.folder.home },
        atOnce,
        signal,
      );
    },
    isWish: (exit: ChildExit, livedMs) => exit.kind === 'code' && exit.code === 0 && livedMs >= WISH_MS,
  };
}

async function atOnce(): Promise<void> {}

function defaultApp({ path, folder }: DesktopEnvironment): string[] {
  const browser = BROWSERS.map((name) => findExecutable(name, path)).find((file) => file !== undefined);
  if (browser !== undefined) return [browser, ...browserFlags(join(folder.home, '.config', 'browser'))];
  const terminal = findExecutable(TERMINAL, path);
  if (terminal !== undefined) return [terminal];
  throw new GatewayError(
    'DEPENDENCY_MISSING',
    'this host has neither a browser nor a terminal to show; install the package chromium or xterm, or name a program',
  );
}

function browserFlags(profile: string): string[] {
  return [
    `--user-data-dir=${profile}`,
    '--no-first-run',
    '--no-default-browser-check',
    '--start-maximized',
    '--hide-crash-restore-bubble',
    '--password-store=basic',
    '--disable-component-update',
    '--disable-breakpad',
    // Xvnc has no graphics card behind it.
    '--disable-gpu',
    // Chromium's sandbox refuses to work for root, and for root alone it is left out; --test-type takes away the bar that says so.
    ...(process.getuid?.() === 0 ? ['--no-sandbox', '--test-type'] : []),
    ...(hasLittleSharedMemory() ? ['--disable-dev-shm-usage'] : []),
  ];
}

function hasLittleSharedMemory(): boolean {
  try {
    const { blocks, bsize } = statfsSync('/dev/shm');
    return blocks * bsize < SHARED_MEMORY_MIN_BYTES;
  } catch {
    // None at all.
    return true;
  }
}
