import { statSync } from 'node:fs';
import { listSessionFolders, removeSessionFolder } from '../../desktop/folder.ts';
import { findState, readOrder, type DesktopOrder, type DesktopState } from '../../desktop/state.ts';
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

/** A session whose agent is gone, while its desktop runs on. */
export interface Orphan {
  folder: string;
  order: DesktopOrder;
  state: DesktopState;
}

/** The sessions that an agent can take over. */
export async function findOrphans(runtimeDir: string): Promise<Orphan[]> {
  const found: Orphan[] = [];
  for (const folder of listSessionFolders(runtimeDir)) {
    const order = await readOrder(folder).catch(() => undefined);
    const state = await findState(folder);
    if (order && state && !isAlive(order.owner) && isDesktopAlive(state)) found.push({ folder, order, state });
  }
  return found;
}

/**
 * Ends what is left of sessions whose agent is gone, and whose desktop too; resolves with their ids. Those of agents that live, and
 * those that the next agent can take over, are left alone.
 */
export async function endLeftoversOfDead(runtimeDir: string): Promise<string[]> {
  const ended: string[] = [];
  for (const folder of listSessionFolders(runtimeDir)) {
    const order = await readOrder(folder).catch(() => undefined);
    const state = await findState(folder);
    if (!isAbandoned(folder, order) || (order && state && isDesktopAlive(state))) continue;
    await endLeftovers(folder);
    if (order) ended.push(order.sessionId);
  }
  return ended;
}

function isDesktopAlive({ state, process: desktop }: DesktopState): boolean {
  return state !== 'failed' && isAlive(desktop);
}

function isAbandoned(folder: string, order: DesktopOrder | undefined): boolean {
  if (order) return !isAlive(order.owner);
  try {
    return Date.now() - statSync(folder).mtimeMs > UNFINISHED_MS;
  } catch {
    // ENOENT: whoever owned it has just removed it.
    return false;
  }
}
