import { join } from 'node:path';
import { SESSION_DIR_VARIABLE } from '../process/sweep.ts';
import type { SessionFolder } from './folder.ts';

/** What the parts of a desktop find in their environment; made from scratch, so that nothing of the agent's comes along. */
export interface DesktopEnvironment {
  path: string;
  inheritable: Readonly<Record<string, string>>;
  folder: SessionFolder;
}

export function xauthorityOf(folder: SessionFolder): string {
  return join(folder.run, 'xauthority');
}

export function pulseSocketOf(folder: SessionFolder): string {
  return join(folder.run, 'pulse.sock');
}

export function rfbSocketOf(folder: SessionFolder): string {
  return join(folder.run, 'rfb.sock');
}

export function toolsSocketOf(folder: SessionFolder): string {
  return join(folder.run, 'tools.sock');
}

/** For every part. */
export function baseEnvironment({ path, inheritable, folder }: DesktopEnvironment): Record<string, string> {
  return {
    ...inheritable,
    PATH: path,
    HOME: folder.home,
    TMPDIR: folder.tmp,
    XDG_RUNTIME_DIR: folder.run,
    XAUTHORITY: xauthorityOf(folder),
    // Set even where there is no sound server: without it clients start one of their own, which would outlive the session.
    PULSE_SERVER: `unix:${pulseSocketOf(folder)}`,
    // The same for the message bus and the accessibility bus, which GTK starts at first use.
    DBUS_SESSION_BUS_ADDRESS: 'disabled:',
    NO_AT_BRIDGE: '1',
    [SESSION_DIR_VARIABLE]: folder.path,
  };
}

/** For parts and programs that draw on the display. */
export function displayEnvironment(environment: DesktopEnvironment, display: string): Record<string, string> {
  return { ...baseEnvironment(environment), DISPLAY: display };
}
