import type { Logger } from 'pino';
import type { Environment } from '../config.ts';
import { Desktop } from '../desktop/desktop.ts';
import type { SessionFolder } from '../desktop/folder.ts';
import { findDesktopPrograms } from '../desktop/programs.ts';
import { RESTART_LIMITS } from '../desktop/restart-policy.ts';
import type { DesktopPlan } from '../desktop/set.ts';
import type { DesktopState } from '../desktop/state.ts';
import { findStreamer } from '../neko/find.ts';
import { aborted } from './signals.ts';

interface Ordered extends Pick<DesktopPlan, 'order' | 'settings' | 'rfb' | 'tools'> {
  folder: SessionFolder;
  onState: (state: DesktopState) => void;
}

/** Runs one desktop on what this machine has until it is told to stop: 0. @throws GatewayError when it can't run, or not any more */
export async function superviseDesktop(
  { order, settings = {}, rfb, tools, folder, onState }: Ordered,
  environment: Environment,
  { stop, log }: { stop: AbortSignal; log: Logger },
): Promise<number> {
  const plan = {
    order,
    settings,
    rfb,
    tools,
    environment: { path: environment.path, inheritable: environment.inheritable, folder },
    programs: findDesktopPrograms(environment.path),
    streamer: findStreamer(environment),
    limits: RESTART_LIMITS,
    log,
  };
  try {
    await using desktop = await Desktop.start(plan, { onState }, stop);
    const failure = await Promise.race([desktop.failed, aborted(stop)]);
    if (failure) throw failure;
    return 0;
  } catch (thrown) {
    if (stop.aborted) return 0;
    throw thrown;
  }
}
