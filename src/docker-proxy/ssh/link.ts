import type { Duplex } from 'node:stream';
import { GatewayError, messageOf, toGatewayError } from '../../errors.ts';
import type { RemoteFiles } from '../files/remote-files.ts';
import type { Lane, LinkHealth, RemoteHost } from '../remote.ts';
import { connectSsh, type SshDeps } from './connect.ts';
import { isProhibited, SshConnection, type ChannelTarget } from './connection.ts';
import type { SshDestination } from './settings.ts';

/** Where the daemon listens, as seen from the remote host. */
export type RemoteDocker = Exclude<ChannelTarget, { kind: 'command' }>;

const USUAL_SOCKET = '/var/run/docker.sock';
/** Docker's own way over SSH, for an sshd that forwards no unix sockets. */
const DIAL_STDIO = 'docker system dial-stdio';
const PROBE_MS = 10_000;
/** Nobody listens there: who may dial at all is told that, and who may not is told so. */
const PROBE_PORT = 1;

/** A remote host over SSH: one connection a lane, opened when it is first needed and again when it was lost. */
export class SshLink implements RemoteHost {
  readonly #lanes: Record<Lane, SshLane>;
  readonly #docker: RemoteDocker;
  #way: ChannelTarget | undefined;

  constructor(deps: SshDeps, destination: SshDestination, docker: RemoteDocker) {
    this.#docker = docker;
    this.#lanes = { control: new SshLane(deps, destination), bulk: new SshLane(deps, destination) };
  }

  get dockerSocket(): string {
    return this.#docker.kind === 'socket' ? this.#docker.path : USUAL_SOCKET;
  }

  async dialDocker(lane: Lane): Promise<Duplex> {
    const connection = await this.#lanes[lane].connection();
    if (this.#way !== undefined && this.#way !== this.#docker) return connection.open(this.#way);
    try {
      const channel = await connection.open(this.#docker);
      this.#way = this.#docker;
      return channel;
    } catch (error) {
      if (!connection.alive || (error instanceof GatewayError && error.code === 'SSH_UNREACHABLE')) throw error;
      return this.#dialOtherwise(connection, error);
    }
  }

  async dialPort(port: number): Promise<Duplex> {
    const connection = await this.#lanes.bulk.connection();
    return connection.open({ kind: 'tcp', host: '127.0.0.1', port });
  }

  async openFiles(): Promise<RemoteFiles> {
    const connection = await this.#lanes.bulk.connection();
    return connection.openFiles();
  }

  async checkForwarding(): Promise<void> {
    try {
      const channel = await this.dialPort(PROBE_PORT);
      channel.destroy();
    } catch (error) {
      if (isProhibited(error))
        throw new GatewayError(
          'SSH_FORWARDING_REFUSED',
          'sshd forbids TCP forwarding (AllowTcpForwarding), so published ports can not be reached',
          { cause: error },
        );
      if (error instanceof GatewayError) throw error;
    }
  }

  health(): Record<Lane, LinkHealth> {
    return { control: this.#lanes.control.health(), bulk: this.#lanes.bulk.health() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#lanes.control.close(), this.#lanes.bulk.close()]);
  }

  /** Of a unix socket sshd doesn't say whether it forbids it or nobody is there, so Docker's own client at the remote is asked. */
  async #dialOtherwise(connection: SshConnection, refusal: unknown): Promise<Duplex> {
    const why = messageOf(refusal);
    if (this.#docker.kind === 'tcp') {
      const { host, port } = this.#docker;
      if (isProhibited(refusal))
        throw new GatewayError('SSH_FORWARDING_REFUSED', 'sshd forbids TCP forwarding (AllowTcpForwarding)', {
          cause: refusal,
        });
      throw new GatewayError('DOCKER_UNAVAILABLE', `no Docker daemon at ${host}:${port} of the remote host: ${why}`, {
        cause: refusal,
      });
    }
    const { path } = this.#docker;
    // Its settings are the remote user's own; only another socket than the usual one has to be named.
    const command = path === USUAL_SOCKET ? DIAL_STDIO : `docker --host ${quote(`unix://${path}`)} system dial-stdio`;
    if (!(await this.#answers(connection, command)))
      throw new GatewayError(
        'DOCKER_UNAVAILABLE',
        `the remote host doesn't open ${path} (nobody listens there, the user may not, or sshd has AllowStreamLocalForwarding off), and \`${DIAL_STDIO}\` reaches no daemon there either`,
        { cause: refusal },
      );
    this.#way = { kind: 'command', command };
    return connection.open(this.#way);
  }

  async #answers(connection: SshConnection, command: string): Promise<boolean> {
    const channel = await connection.open({ kind: 'command', command });
    const timer = setTimeout(() => channel.close(), PROBE_MS);
    try {
      channel.end('GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n');
      let answer = '';
      for await (const piece of channel) answer += String(piece);
      return answer.startsWith('HTTP/1.1 200 ');
    } finally {
      clearTimeout(timer);
    }
  }
}

/** At most one connection at a time, which is opened by whoever needs it first. */
class SshLane {
  readonly #deps: SshDeps;
  readonly #destination: SshDestination;
  #connection: SshConnection | undefined;
  #opening: Promise<SshConnection> | undefined;
  #isClosed = false;
  #health: Omit<LinkHealth, 'channels'> = { state: 'down', since: new Date().toISOString() };

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

  health(): LinkHealth {
    return { ...this.#health, channels: this.#connection?.channels ?? 0 };
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#opening?.catch(() => undefined);
    await this.#connection?.close();
  }

  async #open(): Promise<SshConnection> {
    if (this.#isClosed) throw new GatewayError('SHUTTING_DOWN', 'the docker proxy is ending');
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

  #turn(state: LinkHealth['state'], lastError?: string): void {
    this.#health = { state, since: new Date().toISOString(), ...(lastError === undefined ? {} : { lastError }) };
  }
}

/** For the remote user's shell, which takes a command as one string. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
