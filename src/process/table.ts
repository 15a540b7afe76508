// What /proc says of processes. Linux only, as all of the process runtime.
import { readdirSync, readFileSync } from 'node:fs';

/** A process that can't be mistaken for a later one under the same pid. */
export interface ProcessIdentity {
  pid: number;
  /** Clock ticks since boot, field 22 of /proc/PID/stat. */
  startTime: number;
}

export interface ProcessEntry extends ProcessIdentity {
  parent: number;
  group: number;
  session: number;
  /** Dead, and waiting for its parent to take note; nothing of it runs or holds anything. */
  isZombie: boolean;
  /** Stopped by a signal, until it is continued. */
  isStopped: boolean;
}

/** @returns undefined when there is no such process any more. */
export function findProcess(pid: number): ProcessEntry | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    // ENOENT, or ESRCH when it went while being read.
    return undefined;
  }
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses (proc(5)).
  const [state, parent, group, session, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    startTime: Number(rest[15]),
    isZombie: state === 'Z' || state === 'X',
    isStopped: state === 'T',
  };
}

/** Every process that this one may see, zombies left out. */
export function listProcesses(): ProcessEntry[] {
  return readdirSync('/proc').flatMap((name) => {
    const entry = /^\d+$/.test(name) ? findProcess(Number(name)) : undefined;
    return entry && !entry.isZombie ? [entry] : [];
  });
}

/** @throws when there is no such process */
export function identityOf(pid: number): ProcessIdentity {
  const entry = findProcess(pid);
  if (!entry) throw new Error(`process ${pid} is gone`);
  return { pid, startTime: entry.startTime };
}

export function isAlive(identity: ProcessIdentity): boolean {
  const entry = findProcess(identity.pid);
  return entry !== undefined && !entry.isZombie && entry.startTime === identity.startTime;
}

/** @returns undefined when it is gone or belongs to somebody else. */
export function findEnvironmentOf(pid: number, name: string): string | undefined {
  let block: string;
  try {
    block = readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return undefined;
  }
  const prefix = `${name}=`;
  return block
    .split('\0')
    .find((variable) => variable.startsWith(prefix))
    ?.slice(prefix.length);
}
