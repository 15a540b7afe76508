import { createHash } from 'node:crypto';
import type { SessionSpec, SpecKey } from '../../protocol/session.ts';

const OF_THE_GATEWAY: ReadonlySet<string> = new Set<SpecKey>([
  'home',
  'idleTimeoutSeconds',
  'maxDurationSeconds',
  'restart',
]);

/**
 * What a running session can't be changed in any more: all of its spec, with what that lets it see and use of its host, but for what is the
 * gateway's to do (how long it lives, what becomes of it when it dies) and a home, with which nothing comes out of a pool. Two orders of one
 * key are the same session to an agent.
 */
export function poolKeyOf(spec: SessionSpec): string {
  const fixed = Object.fromEntries(Object.entries(spec).filter(([key]) => !OF_THE_GATEWAY.has(key)));
  return createHash('sha256')
    .update(JSON.stringify(sorted(fixed)), 'utf8')
    .digest('hex')
    .slice(0, 32);
}

/** With the keys of every object in one order, whatever order they were written in. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sorted(each)]));
}
