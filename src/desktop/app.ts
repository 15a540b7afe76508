import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import { Child, type ChildExit } from '../process/child.ts';
import { findExecutable } from '../process/executable.ts';
import type { SessionSpec } from '../protocol/session.ts';
import { accessibilityAddressOf, accessibilitySocketOf } from './accessibility-bus.ts';
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
  const [name, ...args] = commandOf(spec, environment);
  const file = name === undefined ? undefined : findExecutable(name, environment.path);
  if (file === undefined)
    throw new GatewayError(
      'SESSION_START_FAILED',
      `the program ${name} is not on this host (PATH is ${environment.path})`,
    );
  return {
    name: `the program ${name}`,
    start: async (signal) => {
      await requireSandbox(file, args, environment.path);
      const env = programEnvironment(spec, environment, display);
      return Child.start(
        { name: `the program ${name}`, file, args, env, cwd: environment.folder.home },
        atOnce,
        signal,
      );
    },
    isWish: (exit: ChildExit, livedMs) => exit.kind === 'code' && exit.code === 0 && livedMs >= WISH_MS,
  };
}

/** What a session shows: what was ordered, or else a browser or a terminal. @throws GatewayError DEPENDENCY_MISSING when there is none of them */
export function commandOf(spec: SessionSpec, environment: DesktopEnvironment): readonly string[] {
  const browser = spec.app ?? findBrowser(spec, environment);
  if (browser !== undefined) return browser;
  const terminal = findExecutable(TERMINAL, environment.path);
  if (terminal !== undefined) return [terminal];
  throw new GatewayError(
    'DEPENDENCY_MISSING',
    'this host has neither a browser nor a terminal to show; install the package chromium or xterm, or name a program',
  );
}

/** A browser of this host, with the flags and the profile that a session has. */
export function findBrowser(
  { accessibility }: Pick<SessionSpec, 'accessibility'>,
  { path, folder }: DesktopEnvironment,
): string[] | undefined {
  const file = BROWSERS.map((name) => findExecutable(name, path)).find((found) => found !== undefined);
  if (file === undefined) return undefined;
  const flags = browserFlags(join(folder.home, '.config', 'browser'));
  return [file, ...flags, ...(accessibility ? ['--force-renderer-accessibility'] : [])];
}

/** For a session's own programs, with what its order adds. */
export function programEnvironment(
  spec: SessionSpec,
  environment: DesktopEnvironment,
  display: string,
): Record<string, string> {
  const inheritable = { ...environment.inheritable, ...spec.environment };
  const { NO_AT_BRIDGE: _off, ...env } = displayEnvironment({ ...environment, inheritable }, display);
  if (!existsSync(accessibilitySocketOf(environment.folder))) return { ...env, NO_AT_BRIDGE: '1' };
  return {
    ...env,
    AT_SPI_BUS_ADDRESS: accessibilityAddressOf(environment.folder),
    // Chromium's own, which without it would ask a message bus.
    ...(spec.accessibility && { ACCESSIBILITY_ENABLED: '1' }),
  };
}

async function atOnce(): Promise<void> {}

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
