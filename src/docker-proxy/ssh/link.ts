import type { Duplex } from 'node:stream';
import { GatewayError, messageOf } from '../../errors.ts';
import type { RemoteFiles } from '../files/remote-files.ts';
import type { Lane, LinkHealth, RemoteHost } from '../remote.ts';
import type { SshDeps } from './connect.ts';
import { isProhibited, type ChannelTarget } from './connection.ts';
import type { SshLane } from './lane.ts';
import { SshPool, type SharedLanes } from './pool.ts';
import type { SshDestination } from './settings.ts';

/** Where the daemon listens, as seen from the remote host. */
export type RemoteDocker = Exclude<ChannelTarget, { kind: 'command' }>;

const USUAL_SOCKET = '/var/run/docker.sock';
/** Docker's own way over SSH, for an sshd that forwards no unix sockets. */
const DIAL_STDIO = 'docker system dial-stdio';
const PROBE_MS = 10_000;
/** Nobody listens there: who may dial at all is told that, and who may not is told so. */
const PROBE_PORT = 1;

/** A remote host over SSH, by connections that it shares with all others of the pool that name the host alike. */
export class SshLink implements RemoteHost {
  readonly #shared: SharedLanes;
  readonly #docker: RemoteDocker;
  #way: ChannelTarget | undefined;

  constructor(deps: SshDeps, destination: SshDestination, docker: RemoteDocker, pool = new SshPool()) {
    this.#shared = pool.share(deps, destination);
    this.#docker = docker;
  }

  get dockerSocket(): string {
    return this.#docker.kind === 'socket' ? this.#docker.path : USUAL_SOCKET;
  }

  async dialDocker(lane: Lane): Promise<Duplex> {
    const there = this.#shared.lanes[lane];
    if (this.#way !== undefined && this.#way !== this.#docker) return there.open(this.#way);
    const connection = await there.connection();
    try {
      const channel = await connection.open(this.#docker);
      this.#way = this.#docker;
      return channel;
    } catch (error) {
      if (!connection.alive || (error instanceof GatewayError && error.code === 'SSH_UNREACHABLE')) throw error;
      return this.#dialOtherwise(there, error);
    }
  }

  async dialPort(port: number): Promise<Duplex> {
    const connection = await this.#shared.lanes.bulk.connection();
    return connection.open({ kind: 'tcp', host: '127.0.0.1', port });
  }

  async openFiles(): Promise<RemoteFiles> {
    const connection = await this.#shared.lanes.bulk.connection();
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
    const { control, bulk } = this.#shared.lanes;
    return { control: control.health(), bulk: bulk.health() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shared[Symbol.asyncDispose]();
  }

  /** Of a unix socket sshd doesn't say whether it forbids it or nobody is there, so Docker's own client at the remote is asked. */
  async #dialOtherwise(lane: SshLane, refusal: unknown): Promise<Duplex> {
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
    if (!(await this.#answers(lane, command)))
      throw new GatewayError(
        'DOCKER_UNAVAILABLE',
        `the remote host doesn't open ${path} (nobody listens there, the user may not, or sshd has AllowStreamLocalForwarding off), and \`${DIAL_STDIO}\` reaches no daemon there either`,
        { cause: refusal },
      );
    const way: ChannelTarget = { kind: 'command', command };
    // Where the socket was forwarded before, it is the daemon that is away for a moment, and that is no reason to go on so.
    this.#way ??= way;
    return lane.open(way);
  }

  async #answers(lane: SshLane, command: string): Promise<boolean> {
    const channel = await lane.open({ kind: 'command', command });
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

/** For the remote user's shell, which takes a command as one string. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
