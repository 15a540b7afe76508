import type { Duplex } from 'node:stream';
import type { RemoteFiles } from './files/remote-files.ts';

/** Two connections, so that a build doesn't hold up what somebody types. */
export type Lane = 'control' | 'bulk';

export interface LinkHealth {
  state: 'connected' | 'connecting' | 'down';
  /** ISO 8601 */
  since: string;
  /** One, unless streams are sessions, of which sshd allows few a connection. */
  connections: number;
  channels: number;
  lastError?: string;
}

/** The host with the Docker daemon, and what leads there. */
export interface RemoteHost extends AsyncDisposable {
  /** Where the daemon's socket is on the remote host, for containers there that want it. */
  readonly dockerSocket: string;
  /** A stream to the daemon, whose owner the caller is. @throws GatewayError, whose message is for the user */
  dialDocker(lane: Lane): Promise<Duplex>;
  /** A stream to a port of the remote's 127.0.0.1. @throws GatewayError */
  dialPort(port: number): Promise<Duplex>;
  /** The remote's files, as its user. Asked for anew before each use, for a lost connection takes them with it. @throws GatewayError */
  openFiles(): Promise<RemoteFiles>;
  /** @throws GatewayError SSH_FORWARDING_REFUSED when the remote lets nobody dial its ports */
  checkForwarding(): Promise<void>;
  health(): Record<Lane, LinkHealth>;
}
