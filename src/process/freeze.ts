import { setTimeout as sleep } from 'node:timers/promises';
import { findSessionProcesses } from './sweep.ts';
import { findProcess, type ProcessIdentity } from './table.ts';

/** Time for all of a session to stop: those that were just forked are met in the next round; then `freezeSession` throws. */
const FREEZE_MS = 5000;
const FREEZE_POLL_MS = 10;

/**
 * Stops every process of the session with this folder where it is (SIGSTOP), the supervisor first, so that it takes no silence for a
 * death. Resolves once none of them runs. @throws when one goes on; then all of them do
 */
export async function freezeSession(folder: string, supervisor: ProcessIdentity): Promise<void> {
  const deadline = Date.now() + FREEZE_MS;
  for (;;) {
    const running = findSessionProcesses(folder, [supervisor]).filter((pid) => findProcess(pid)?.isStopped === false);
    if (running.length === 0) return;
    if (Date.now() > deadline) {
      thawSession(folder, supervisor);
      throw new Error(`processes ${running.join(', ')} of ${folder} did not stop`);
    }
    for (const pid of running.toSorted((one) => (one === supervisor.pid ? -1 : 1))) signal(pid, 'SIGSTOP');
    await sleep(FREEZE_POLL_MS);
  }
}

/** Lets all of it go on, the supervisor last. */
export function thawSession(folder: string, supervisor: ProcessIdentity): void {
  const pids = findSessionProcesses(folder, [supervisor]);
  for (const pid of pids.toSorted((one) => (one === supervisor.pid ? 1 : -1))) signal(pid, 'SIGCONT');
}

export function isFrozen(supervisor: ProcessIdentity): boolean {
  return findProcess(supervisor.pid)?.isStopped ?? false;
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name);
  } catch {
    // ESRCH: it went by itself.
  }
}
