import { GatewayError } from '../../errors.ts';
import type { Base } from './plan.ts';
import type { Scan } from './tree.ts';

/** From so many entries on, an empty folder is taken for an accident. */
const EMPTIED_MIN = 2;

export interface Looked {
  /** For people. */
  name: string;
  only: string | undefined;
  known: Base;
  local: Scan;
  remote: Scan;
  isTwoWay: boolean;
}

/** @throws GatewayError FILES_PAUSED when a side looks as if nobody had meant it, and the other would lose by it */
export function refuseAccidents({ name, only, known, local, remote, isTwoWay }: Looked): void {
  const pause = (what: string): never => {
    throw new GatewayError('FILES_PAUSED', what);
  };
  if (only !== undefined) {
    if (!local.tree.has(only)) pause(`${name} is gone; its copy stays until the file is back`);
    return;
  }
  if (known.size < EMPTIED_MIN) return;
  const wayOut = 'put any file there, and the rest is deleted';
  if (local.tree.size === 0) pause(`${name} was emptied; the remote's copy stays. If that was meant, ${wayOut}`);
  if (remote.tree.size === 0 && isTwoWay)
    pause(
      `the copy of ${name} on the remote was emptied; the folder here stays. If that was meant, ${wayOut}; else remove the containers that have it, and it is copied anew`,
    );
}
