import type { Lane } from '../remote.ts';
import type { SshDeps } from './connect.ts';
import { SshLane } from './lane.ts';
import type { SshDestination } from './settings.ts';

/** The connections to a host, shared with all others that named it alike. Its end is theirs only when it is the last. */
export interface SharedLanes extends AsyncDisposable {
  readonly lanes: Readonly<Record<Lane, SshLane>>;
}

/** One pair of connections for each host, user and key, however many contexts name them. */
export class SshPool {
  readonly #pairs = new Map<string, { lanes: Record<Lane, SshLane>; users: number }>();

  share(deps: SshDeps, destination: SshDestination): SharedLanes {
    const { host, user, port, keyFile, configFile } = destination;
    const key = JSON.stringify([host, user, port, keyFile, configFile]);
    const pair = this.#pairs.get(key) ?? {
      lanes: { control: new SshLane(deps, destination), bulk: new SshLane(deps, destination) },
      users: 0,
    };
    this.#pairs.set(key, pair);
    pair.users += 1;
    let isMine = true;
    return {
      lanes: pair.lanes,
      [Symbol.asyncDispose]: async () => {
        if (isMine) pair.users -= 1;
        isMine = false;
        if (pair.users > 0) return;
        if (this.#pairs.get(key) === pair) this.#pairs.delete(key);
        await Promise.all([pair.lanes.control.close(), pair.lanes.bulk.close()]);
      },
    };
  }
}
