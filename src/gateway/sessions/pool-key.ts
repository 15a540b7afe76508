import { createHash } from 'node:crypto';
import type { SessionSpec } from '../../protocol/session.ts';

/**
 * What a running session can't be changed in any more: image, limits, program, environment, screen, sound. Two orders of one key
 * are the same session to an agent; what differs (how long it lives, what becomes of it when it dies) is the gateway's to do.
 */
export function poolKeyOf({ image, resources, app, environment, screen, audio }: SessionSpec): string {
  const variables = Object.entries(environment).toSorted(([one], [other]) => (one < other ? -1 : 1));
  const { cpus, memoryMb, pids, shmMb } = resources;
  const { width, height, rate } = screen;
  const parts = [image ?? null, cpus, memoryMb, pids, shmMb, app ?? null, variables, width, height, rate, audio];
  return createHash('sha256').update(JSON.stringify(parts), 'utf8').digest('hex').slice(0, 32);
}
