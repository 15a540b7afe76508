import { setTimeout as sleep } from 'node:timers/promises';
import { findEnvironmentOf, isAlive, listProcesses, type ProcessIdentity } from './table.ts';

/** Stands in the environment of every process of a session and names the session's folder, so that all can be found again. */
export const SESSION_DIR_VARIABLE = 'NEKOGATE_SESSION_DIR';

/** Time for the kernel to end what was killed; then `endSessionProcesses` throws and names what is left. */
const SWEEP_MS = 5000;
const SWEEP_POLL_MS = 20;

/**
 * Kills every process of the session with this folder, but for this process itself: those that carry its variable, those in
 * `known` (if they still are the same processes), and all below them or in their groups, so that daemons that left
 * their group or rewrote their environment are found too. Resolves once none is left.
 * @throws when some process outlives SIGKILL
 */
export async function endSessionProcesses(folder: string, known: readonly ProcessIdentity[] = []): Promise<void> {
  const deadline = Date.now() + SWEEP_MS;
  for (;;) {
    const found = findSessionProcesses(folder, known);
    if (found.length === 0) return;
    if (Date.now() > deadline) throw new Error(`processes ${found.join(', ')} of ${folder} did not end after SIGKILL`);
    for (const pid of found) kill(pid);
    await sleep(SWEEP_POLL_MS);
  }
}

/** The pids of a session's processes, this process left out. */
export function findSessionProcesses(folder: string, known: readonly ProcessIdentity[] = []): number[] {
  const table = listProcesses().filter((entry) => entry.pid !== process.pid);
  const found = new Set(known.filter(isAlive).map(({ pid }) => pid));
  for (const { pid } of table) if (findEnvironmentOf(pid, SESSION_DIR_VARIABLE) === folder) found.add(pid);
  found.delete(process.pid);
  let size: number;
  do {
    size = found.size;
    for (const { pid, parent, group } of table) if (found.has(parent) || found.has(group)) found.add(pid);
  } while (found.size > size);
  return [...found];
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH: it went by itself.
  }
}
