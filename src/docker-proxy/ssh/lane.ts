import type { ClientChannel } from 'ssh2';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { LinkHealth } from '../remote.ts';
import { connectSsh, type SshDeps } from './connect.ts';
import { SESSIONS_MAX, SshConnection, type ChannelTarget } from './connection.ts';
import type { SshDestination } from './settings.ts';

/** Each is a login on the remote host, with its process there. */
const SPARES_MAX = 7;

/**
 * One connection to a host, opened by whoever needs it first and again when it was lost. Where streams are sessions, of which sshd allows few a connection, there are
 * spare ones beside it while they are needed, and one for the next who needs it.
 */
export class SshLane {
  readonly #deps: SshDeps;
  readonly #destination: SshDestination;
  #connection: SshConnection | undefined;
  #opening: Promise<SshConnection> | undefined;
  readonly #spares = new Set<SshConnection>();
  #openingSpare: Promise<unknown> | undefined;
  #isClosed = false;
  #health: Pick<LinkHealth, 'state' | 'since' | 'lastError'> = { state: 'down', since: new Date().toISOString() };

  constructor(deps: SshDeps, destination: SshDestination) {
    this.#deps = deps;
    this.#destination = destination;
  }

  connection(): Promise<SshConnection> {
    if (this.#connection?.alive) return Promise.resolve(this.#connection);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** As `SshConnection.open`, on whichever connection has room. */
  async open(target: ChannelTarget): Promise<ClientChannel> {
    const connection = await this.connection();
    if (target.kind !== 'command') return connection.open(target);
    for (;;) {
      const free = [connection, ...this.#spares].find(({ hasRoom }) => hasRoom);
      if (free === undefined) {
        await this.#addSpare();
        continue;
      }
      try {
        return await free.open(target);
      } catch (error) {
        if (!(error instanceof GatewayError) || error.code !== 'TOO_MANY_REQUESTS') throw error;
      }
    }
  }

  health(): LinkHealth {
    const all = [...(this.#connection?.alive ? [this.#connection] : []), ...this.#spares];
    const channels = all.reduce((sum, connection) => sum + connection.channels, 0);
    return { ...this.#health, connections: all.length, channels };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    // Who waits for them is told.
    await Promise.allSettled([this.#opening, this.#openingSpare]);
    await Promise.all([this.#connection, ...this.#spares].map(async (connection) => connection?.close()));
  }

  async #open(): Promise<SshConnection> {
    this.#refuseWhenClosed();
    this.#turn('connecting');
    try {
      const connection = new SshConnection(await connectSsh(this.#deps, this.#destination));
      this.#connection = connection;
      this.#turn('connected');
      this.#deps.log.info({ host: this.#destination.host }, 'SSH is connected');
      void connection.closed.then(() => {
        this.#turn('down', 'the connection was lost');
        if (!this.#isClosed) this.#deps.log.warn({ host: this.#destination.host }, 'SSH is lost');
      });
      return connection;
    } catch (error) {
      this.#turn('down', toGatewayError(error).message);
      throw error;
    }
  }

  #addSpare(): Promise<unknown> {
    this.#openingSpare ??= this.#openSpare().finally(() => {
      this.#openingSpare = undefined;
    });
    return this.#openingSpare;
  }

  async #openSpare(): Promise<void> {
    this.#refuseWhenClosed();
    if (this.#spares.size >= SPARES_MAX)
      throw new GatewayError(
        'TOO_MANY_REQUESTS',
        `all sessions of ${SPARES_MAX + 1} SSH connections are taken, ${SESSIONS_MAX} of each at most; sshd has no such limit when it forwards unix sockets (AllowStreamLocalForwarding)`,
      );
    const spare = new SshConnection(await connectSsh(this.#deps, this.#destination), () => this.#rest(spare));
    this.#spares.add(spare);
    void spare.closed.then(() => this.#spares.delete(spare));
  }

  /** Keeps one that nobody uses, so that the next call has no login to wait for. */
  #rest(spare: SshConnection): void {
    const idle = [...this.#spares].filter(({ isIdle }) => isIdle);
    if (idle.length > 1 && this.#spares.delete(spare)) void spare.close();
  }

  #refuseWhenClosed(): void {
    if (this.#isClosed) throw new GatewayError('SHUTTING_DOWN', 'the docker proxy is ending');
  }

  #turn(state: LinkHealth['state'], lastError?: string): void {
    this.#health = { state, since: new Date().toISOString(), ...(lastError === undefined ? {} : { lastError }) };
  }
}
