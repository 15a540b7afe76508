import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { claimSlot } from '../../src/agent/slots.ts';
import { readEnvironment, type Environment } from '../../src/config.ts';
import { Desktop } from '../../src/desktop/desktop.ts';
import { makeSessionFolder, sessionFolder } from '../../src/desktop/folder.ts';
import { findDesktopPrograms } from '../../src/desktop/programs.ts';
import type { DesktopPlan } from '../../src/desktop/set.ts';
import type { DesktopState } from '../../src/desktop/state.ts';
import { findStreamer } from '../../src/neko/find.ts';
import { SessionSpec } from '../../src/protocol/session.ts';

export const SILENT = pino({ level: 'silent' });
/** Ports that a running agent on this machine does not use. */
export const TEST_SLOTS = { httpBase: 18_700, udpBase: 57_600, udpSize: 8, count: 40 };
/** Crashes are given up in well under a second. */
const QUICK_LIMITS = { firstDelayMs: 20, maxDelayMs: 40, restartsMax: 4, peaceMs: 60_000 };

export const ADMIN_PASSWORD = 'the-password-of-a-test';

export interface OpenedDesktop extends AsyncDisposable {
  desktop: Desktop;
  plan: DesktopPlan;
  /** Resolves with the next state that fits, the present one included. */
  until(fits: (state: DesktopState) => boolean): Promise<DesktopState>;
}

/** A host's environment with folders of its own, which are gone afterwards. */
export async function openEnvironment(): Promise<AsyncDisposable & { environment: Environment }> {
  const runtimeDir = await mkdtemp(join(tmpdir(), 'nk-'));
  return {
    environment: { ...readEnvironment(), runtimeDir, dataDir: join(runtimeDir, 'data') },
    [Symbol.asyncDispose]: () => rm(runtimeDir, { recursive: true, force: true }),
  };
}

/** A running desktop, small and silent unless the spec says otherwise. */
export async function openDesktop(spec: object, changes: Partial<DesktopPlan> = {}): Promise<OpenedDesktop> {
  await using opening = new AsyncDisposableStack();
  const plan = await openPlan(opening, spec, changes);
  const watchers = new Set<(state: DesktopState) => void>();
  const onState = (state: DesktopState): void => {
    for (const watcher of watchers) watcher(state);
  };
  const desktop = opening.use(await Desktop.start(plan, { onState }, new AbortController().signal));
  const owned = opening.move();
  return {
    desktop,
    plan,
    until: (fits) =>
      new Promise((resolve) => {
        const watcher = (state: DesktopState): void => {
          if (!fits(state)) return;
          watchers.delete(watcher);
          resolve(state);
        };
        watchers.add(watcher);
        watcher(desktop.state);
      }),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** All that a desktop needs before it starts; `owned` takes its folder and ports. */
export async function openPlan(
  owned: AsyncDisposableStack,
  spec: object,
  changes: Partial<DesktopPlan> = {},
): Promise<DesktopPlan> {
  const { environment } = owned.use(await openEnvironment());
  const slot = owned.adopt(await claimSlot(TEST_SLOTS), (claimed) => claimed.release());
  const folder = sessionFolder(makeSessionFolder(environment.runtimeDir));
  return {
    order: {
      spec: SessionSpec.parse({ screen: { width: 640, height: 480 }, audio: false, app: ['xterm'], ...spec }),
      ports: slot.ports,
      nat1to1: [],
      adminPassword: ADMIN_PASSWORD,
    },
    environment: { path: environment.path, inheritable: environment.inheritable, folder },
    programs: findDesktopPrograms(environment.path),
    streamer: findStreamer(environment),
    limits: QUICK_LIMITS,
    log: SILENT,
    ...changes,
  };
}

/** Whether the socket of this display is there with nobody behind it. */
export function isDeadDisplay(display: string | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(`/tmp/.X11-unix/X${display?.slice(1)}`, () => {
      // Somebody else has taken the number since.
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error) => resolve('code' in error && error.code === 'ECONNREFUSED'));
  });
}
