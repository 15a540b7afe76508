import { GatewayError } from '../errors.ts';
import { findExecutable } from '../process/executable.ts';
import { findRegistry, type AccessibilityPrograms } from './accessibility-bus.ts';

/** The programs that make a desktop, as paths. */
export interface DesktopPrograms {
  xServer: string;
  windowManager: string;
  /** Undefined: a desktop without sound. */
  soundServer: string | undefined;
  /** Undefined: programs can't tell what they show. */
  accessibility: AccessibilityPrograms | undefined;
}

/** Debian's and Ubuntu's package of each program. */
export const PACKAGES = { Xvnc: 'tigervnc-standalone-server', openbox: 'openbox', pulseaudio: 'pulseaudio' } as const;

/** @throws GatewayError DEPENDENCY_MISSING, naming all that is missing and the packages that bring it */
export function findDesktopPrograms(path: string): DesktopPrograms {
  // Debian's own name of it, which stays where the other was given to a different server.
  const xServer = findExecutable('Xvnc', path) ?? findExecutable('Xtigervnc', path);
  const windowManager = findExecutable('openbox', path);
  if (xServer === undefined || windowManager === undefined) {
    const missing = [
      ...(xServer === undefined ? (['Xvnc'] as const) : []),
      ...(windowManager === undefined ? (['openbox'] as const) : []),
    ];
    throw new GatewayError(
      'DEPENDENCY_MISSING',
      `a desktop needs ${missing.join(' and ')}; install: apt-get install ${missing.map((name) => PACKAGES[name]).join(' ')}`,
    );
  }
  const busDaemon = findExecutable('dbus-daemon', path);
  const registry = findRegistry();
  return {
    xServer,
    windowManager,
    soundServer: findExecutable('pulseaudio', path),
    accessibility: busDaemon === undefined || registry === undefined ? undefined : { busDaemon, registry },
  };
}
