// What processes cost, from /proc: CPU as a share of one core over a window; memory as PSS, so that what processes share is counted once.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { listProcesses } from '../src/process/table.ts';

const TICKS_PER_SECOND = 100;

/** What a process and all below it take over `windowMs`. */
export async function measureTree(root: number, windowMs: number): Promise<{ cpuPercent: number; memoryMb: number }> {
  const before = ticksOf(treeOf(root));
  await sleep(windowMs);
  const pids = treeOf(root);
  return {
    cpuPercent: ((ticksOf(pids) - before) / TICKS_PER_SECOND / (windowMs / 1000)) * 100,
    memoryMb: pids.reduce((sum, pid) => sum + pssOf(pid), 0) / 1024,
  };
}

/** What processes and all below them take now. */
export function memoryKb(roots: readonly number[]): number {
  return roots.flatMap(treeOf).reduce((sum, pid) => sum + pssOf(pid), 0);
}

function treeOf(root: number): number[] {
  const all = listProcesses();
  const found = new Set([root]);
  for (let size = 0; size < found.size;) {
    size = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** User and system time of the processes and of their children that have ended (proc(5): fields 14 to 17). */
function ticksOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = readProc(`/proc/${pid}/stat`).split(') ')[1]?.split(' ').slice(11, 15) ?? [];
    return sum + fields.reduce((ticks, field) => ticks + Number(field), 0);
  }, 0);
}

function pssOf(pid: number): number {
  return Number(/^Pss:\s+(\d+)/m.exec(readProc(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It ended meanwhile; its parent has its time.
    return '';
  }
}
