import { Duplex } from 'node:stream';
import type ssh2 from 'ssh2';
import type { ClientChannel } from 'ssh2';
import { GatewayError } from '../../errors.ts';
import { RemoteFiles } from '../files/remote-files.ts';
import { reset } from '../streams/splice.ts';

/** Channel opens may never be answered, by sshd or by what it dials. */
const OPEN_MS = 10_000;
/** sshd's MaxSessions (10 unless set) counts sessions of a connection, not forwards; two are left, of which SFTP takes one. */
export const SESSIONS_MAX = 8;

/** What a channel leads to, as seen from the remote host. */
export type ChannelTarget =
  | { kind: 'socket'; path: string }
  | { kind: 'tcp'; host: string; port: number }
  | { kind: 'command'; command: string };

/** One SSH connection and its channels. When it is lost, they are reset: ssh2 itself would end them in order, as if all had been said. */
export class SshConnection {
  readonly #client: ssh2.Client;
  readonly #channels = new Set<Duplex>();
  /** Of channels that sshd has not opened yet. */
  readonly #refusals = new Set<() => void>();
  #files: Promise<RemoteFiles> | undefined;
  readonly #onIdle: () => void;
  #sessions = 0;
  #sessionsMax = SESSIONS_MAX;
  #alive = true;
  /** Resolves once the connection is gone, however that came. */
  readonly closed: Promise<void>;

  /** `onIdle`: its last session has ended. */
  constructor(client: ssh2.Client, onIdle: () => void = () => undefined) {
    this.#client = client;
    this.#onIdle = onIdle;
    this.closed = new Promise((resolve) => {
      client.once('close', () => {
        this.#alive = false;
        for (const channel of this.#channels) reset(channel);
        this.#channels.clear();
        for (const refuse of this.#refusals) refuse();
        resolve();
      });
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  get channels(): number {
    return this.#channels.size;
  }

  /** For one more session. */
  get hasRoom(): boolean {
    return this.#alive && this.#sessions < this.#sessionsMax;
  }

  get isIdle(): boolean {
    return this.#sessions === 0;
  }

  /** @throws GatewayError SSH_UNREACHABLE when the connection is lost or doesn't answer, TOO_MANY_REQUESTS when all sessions are taken; else what sshd said */
  async open(target: ChannelTarget): Promise<ClientChannel> {
    if (!this.#alive) throw new GatewayError('SSH_UNREACHABLE', 'the SSH connection is lost');
    if (target.kind === 'command' && !this.hasRoom)
      throw new GatewayError('TOO_MANY_REQUESTS', `all ${this.#sessionsMax} sessions of the SSH connection are taken`);
    if (target.kind === 'command') this.#sessions += 1;
    const release = (): void => {
      if (target.kind !== 'command') return;
      this.#sessions -= 1;
      if (this.#sessions === 0) this.#onIdle();
    };
    let channel: ClientChannel;
    try {
      channel = await this.#open(target);
    } catch (cause) {
      const others = this.#sessions - 1;
      release();
      if (target.kind !== 'command' || !isRefusal(cause) || others < 1) throw cause;
      this.#sessionsMax = Math.min(this.#sessionsMax, others);
      throw new GatewayError('TOO_MANY_REQUESTS', `sshd allows ${others} sessions a connection (MaxSessions)`, {
        cause,
      });
    }
    this.#channels.add(channel);
    channel.once('close', () => {
      if (this.#channels.delete(channel)) release();
    });
    channel.on('error', () => channel.close());
    // ssh2's own leaves the channel to be read to its end, and doesn't say that it is closed before.
    channel.destroy = () => {
      channel.close();
      Duplex.prototype.destroy.call(channel);
      return channel;
    };
    // Nobody reads it, and unread it would hold up the channel.
    channel.stderr.resume();
    return channel;
  }

  #open(target: ChannelTarget): Promise<ClientChannel> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      const settle = (error: Error | undefined, channel: ClientChannel | undefined): void => {
        if (isOver) return channel?.close();
        isOver = true;
        clearTimeout(timer);
        this.#refusals.delete(refuse);
        if (channel) resolve(channel);
        else reject(error ?? new Error('no channel'));
      };
      const timer = setTimeout(
        () => settle(new GatewayError('SSH_UNREACHABLE', `sshd opened no channel within ${OPEN_MS} ms`), undefined),
        OPEN_MS,
      );
      // Not by `closed`, which would remember every channel for as long as the connection lives.
      const refuse = (): void => settle(new GatewayError('SSH_UNREACHABLE', 'the SSH connection is lost'), undefined);
      this.#refusals.add(refuse);
      try {
        if (target.kind === 'socket') this.#client.openssh_forwardOutStreamLocal(target.path, settle);
        else if (target.kind === 'tcp') this.#client.forwardOut('127.0.0.1', 0, target.host, target.port, settle);
        else this.#client.exec(target.command, settle);
      } catch (error) {
        // ssh2 throws when its socket is gone already.
        settle(new GatewayError('SSH_UNREACHABLE', 'the SSH connection is lost', { cause: error }), undefined);
      }
    });
  }

  /** SFTP on one more session; every call has the same one while it lives. @throws GatewayError SSH_UNREACHABLE */
  openFiles(): Promise<RemoteFiles> {
    this.#files ??= this.#openFiles().catch((error: unknown) => {
      this.#files = undefined;
      throw error;
    });
    return this.#files;
  }

  #openFiles(): Promise<RemoteFiles> {
    return new Promise((resolve, reject) => {
      const refuse = (why: string, cause?: unknown): void =>
        reject(new GatewayError('SSH_UNREACHABLE', `no SFTP on the remote host, which files need: ${why}`, { cause }));
      const timer = setTimeout(() => refuse(`no answer within ${OPEN_MS} ms`), OPEN_MS);
      void this.closed.then(() => refuse('the connection is lost'));
      if (!this.#alive) return refuse('the connection is lost');
      this.#client.sftp((error, sftp) => {
        clearTimeout(timer);
        if (error) return refuse(error.message, error);
        const files = new RemoteFiles(sftp);
        sftp.once('close', () => (this.#files = undefined));
        resolve(files);
      });
    });
  }

  /** Resolves once it is gone. */
  async close(): Promise<void> {
    if (this.#alive) this.#client.destroy();
    await this.closed;
  }
}

/** sshd says that it forbids forwarding (RFC 4254 section 5.1, reason 1); of unix sockets it never says so. */
export function isProhibited(error: unknown): boolean {
  return isRefusal(error) && error.reason === 1;
}

/** What sshd answers to a channel that it doesn't open. */
function isRefusal(error: unknown): error is Error & { reason: unknown } {
  return error instanceof Error && 'reason' in error;
}
