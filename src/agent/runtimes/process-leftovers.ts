import { statSync } from 'node:fs';
import { listSessionFolders, removeSessionFolder } from '../../desktop/folder.ts';
import { findState, readOrder, type DesktopOrder } from '../../desktop/state.ts';
import { removeDeadDisplays } from '../../desktop/x-server.ts';
import { endSessionProcesses } from '../../process/sweep.ts';
import { isAlive } from '../../process/table.ts';

/** A folder without an order is one that an agent is making right now, or that a killed one never finished. */
const UNFINISHED_MS = 60_000;

/** Ends every process that belongs to the session in this folder, then removes the folder and what its X server left in /tmp. */
export async function endLeftovers(folder: string): Promise<void> {
  const state = await findState(folder);
  const known = state ? [state.process, ...state.parts] : [];
  await endSessionProcesses(folder, known);
  await removeDeadDisplays();
  await removeSessionFolder(folder);
}

/** Ends the sessions whose agent is gone; resolves with their ids. Those of other agents that live are left alone. */
export async function endOrphans(runtimeDir: string): Promise<string[]> {
  const ended: string[] = [];
  for (const folder of listSessionFolders(runtimeDir)) {
    const order = await readOrder(folder).catch(() => undefined);
    if (!isOrphan(folder, order)) continue;
    await endLeftovers(folder);
    if (order) ended.push(order.sessionId);
  }
  return ended;
}

function isOrphan(folder: string, order: DesktopOrder | undefined): boolean {
  if (order) return !isAlive(order.owner);
  try {
    return Date.now() - statSync(folder).mtimeMs > UNFINISHED_MS;
  } catch {
    // ENOENT: whoever owned it has just removed it.
    return false;
  }
}
