import { setTimeout as sleep } from 'node:timers/promises';
import { listProcesses } from './table.ts';

/** Time that the kernel may take to end a group after SIGKILL (one in uninterruptible sleep can't be hurried); then `killGroup` throws. */
const KILL_WAIT_MS = 5000;
const KILL_POLL_MS = 10;

/** Ends what is left of a process group, and waits for it. @throws when the kernel doesn't end it in time */
export async function killGroup(group: number, name: string): Promise<void> {
  const deadline = Date.now() + KILL_WAIT_MS;
  while (signalGroup(group, 'SIGKILL')) {
    // Where nobody reaps orphans, zombies stay in the group for good: they don't count.
    if (!listProcesses().some((entry) => entry.group === group)) return;
    if (Date.now() > deadline) throw new Error(`${name} (process group ${group}) did not end after SIGKILL`);
    await sleep(KILL_POLL_MS);
  }
}

/** @returns whether the group has any member, dead ones included */
export function signalGroup(group: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    // ESRCH: nobody is left.
    return false;
  }
}
