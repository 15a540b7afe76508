import ssh2, { type ClientChannel, type ServerHostKeyAlgorithm } from 'ssh2';
import type { Logger } from 'pino';
import { GatewayError, messageOf } from '../../errors.ts';
import { findIdentities } from './identities.ts';
import { addKnownHost, judgeHostKey, keyTypeOf, knownHostName, knownKeyTypes, readKnownHosts } from './known-hosts.ts';
import { openSocket } from './socket.ts';
import { parseDestination, readSshSettings, type SshDestination, type SshSettings } from './settings.ts';

export interface SshDeps {
  log: Logger;
  /** SSH_AUTH_SOCK */
  agentSocket: string | undefined;
  /** On top of what the configuration says for the host. */
  acceptNewHostKeys: boolean;
}

const READY_MS = 20_000;
const KEEP_ALIVE_MS = 15_000;
/** Unanswered ones, after which the link counts as lost. */
const KEEP_ALIVE_MAX = 3;
/** A configuration in which hosts jump over each other would go on for ever. */
const JUMPS_MAX = 8;

/** In ssh2's order; with `ssh-rsa` only under the signatures that aren't broken. */
const HOST_KEY_ALGORITHMS: readonly ServerHostKeyAlgorithm[] = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/**
 * One SSH connection, over the jump hosts that the configuration names, logged in and with its host key verified. Its end ends those to the jump hosts.
 * @throws GatewayError SSH_UNREACHABLE | SSH_HOST_KEY_UNKNOWN | SSH_HOST_KEY_CHANGED | SSH_AUTH_FAILED | BAD_REQUEST
 */
export async function connectSsh(deps: SshDeps, destination: SshDestination): Promise<ssh2.Client> {
  return connectHop(deps, destination, { depth: 0 });
}

async function connectHop(
  deps: SshDeps,
  destination: SshDestination,
  { jumps, depth }: { jumps?: readonly string[]; depth: number },
): Promise<ssh2.Client> {
  const settings = await readSshSettings(destination);
  const over = jumps ?? settings.jumps;
  const nearest = over.at(-1);
  if (nearest === undefined) return login(deps, settings, undefined);
  if (depth >= JUMPS_MAX)
    throw new GatewayError('BAD_REQUEST', `${settings.host} is behind more than ${JUMPS_MAX} jump hosts`);
  const before = over.slice(0, -1);
  const base = await connectHop(
    deps,
    { ...parseDestination(nearest), configFile: destination.configFile },
    { ...(before.length > 0 ? { jumps: before } : {}), depth: depth + 1 },
  );
  try {
    const channel = await openThrough(base, settings);
    const client = await login(deps, settings, channel);
    client.once('close', () => base.end());
    return client;
  } catch (error) {
    base.end();
    throw error;
  }
}

function openThrough(base: ssh2.Client, { host, port }: SshSettings): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    base.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
      if (error)
        reject(
          new GatewayError('SSH_UNREACHABLE', `the jump host can't reach ${host}:${port}: ${error.message}`, {
            cause: error,
          }),
        );
      else resolve(channel);
    });
  });
}

async function login(deps: SshDeps, settings: SshSettings, sock: ClientChannel | undefined): Promise<ssh2.Client> {
  const { host, port, user } = settings;
  const name = knownHostName(settings.hostKeyAlias ?? host, settings.hostKeyAlias === undefined ? port : 22);
  const known = await readKnownHosts([...settings.userKnownHosts, ...settings.globalKnownHosts]);
  const { methods, unusable } = await findIdentities(settings, deps.agentSocket);
  let refused: GatewayError | undefined;
  const client = new ssh2.Client();
  const failed = new Promise<never>((_resolve, reject) => {
    const fail = (error: unknown): void => reject(refused ?? toFailure(error, settings, unusable));
    // Of a host that hangs up in order after its first line ssh2 says no more than that, and takes its own timer away.
    client.once('error', fail).once('close', () => fail(new Error('it hung up during the login')));
  });
  // What comes after the login is told by `close`.
  failed.catch(() => undefined);
  client.on('error', () => undefined);
  const ready = new Promise<void>((resolve) => client.once('ready', () => resolve()));
  client.connect({
    sock: sock ?? openSocket(client, host, port),
    username: user,
    authHandler: methods,
    readyTimeout: READY_MS,
    keepaliveInterval: KEEP_ALIVE_MS,
    keepaliveCountMax: KEEP_ALIVE_MAX,
    algorithms: {
      serverHostKey: orderAlgorithms(knownKeyTypes(known, name)),
      // Node has these in hardware; what ssh2 would rather take, it reckons in WebAssembly.
      cipher: { prepend: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'], append: [], remove: [] },
    },
    hostVerifier: (key: Buffer, verify: (isGood: boolean) => void) => {
      const verdict = judgeHostKey(known, name, key);
      const accept = verdict.kind === 'unknown' && (deps.acceptNewHostKeys || settings.acceptNewHostKeys);
      if (!accept) {
        refused = refuseHostKey(verdict, name, key);
        return verify(refused === undefined);
      }
      const [file] = settings.userKnownHosts;
      void (file === undefined ? Promise.resolve() : addKnownHost(file, name, key)).then(
        () => {
          deps.log.warn({ host: name, keyType: keyTypeOf(key), file }, 'a new host key was accepted');
          verify(true);
        },
        (cause: unknown) => {
          refused = new GatewayError('SSH_HOST_KEY_UNKNOWN', `the key of ${name} could not be written to ${file}`, {
            cause,
          });
          verify(false);
        },
      );
    },
  });
  try {
    await Promise.race([ready, failed]);
    client.setNoDelay(true);
    return client;
  } catch (error) {
    client.destroy();
    throw error;
  }
}

function orderAlgorithms(knownTypes: readonly string[]): ServerHostKeyAlgorithm[] {
  const isKnown = (algorithm: string): boolean =>
    knownTypes.includes(algorithm.startsWith('rsa-') ? 'ssh-rsa' : algorithm);
  return [...HOST_KEY_ALGORITHMS.filter(isKnown), ...HOST_KEY_ALGORITHMS.filter((algorithm) => !isKnown(algorithm))];
}

function refuseHostKey(verdict: ReturnType<typeof judgeHostKey>, name: string, key: Buffer): GatewayError | undefined {
  switch (verdict.kind) {
    case 'known':
      return undefined;
    case 'unknown':
      return new GatewayError(
        'SSH_HOST_KEY_UNKNOWN',
        `${name} shows a host key that no known_hosts file has (${keyTypeOf(key)}); log in once with ssh, which asks about it, or start the proxy with --accept-new-host-key`,
      );
    case 'changed':
      return new GatewayError(
        'SSH_HOST_KEY_CHANGED',
        `${name} shows another host key than at ${verdict.place}: somebody may be listening in. If the host is known to have a new key, remove the old one: ssh-keygen -R '${name}'`,
      );
    case 'revoked':
      return new GatewayError('SSH_HOST_KEY_CHANGED', `${name} shows a host key that is revoked at ${verdict.place}`);
    default:
      throw new Error(`unreachable: ${JSON.stringify(verdict satisfies never)}`);
  }
}

function toFailure(error: unknown, { host, port, user }: SshSettings, unusable: readonly string[]): GatewayError {
  const level = error instanceof Error && 'level' in error ? error.level : undefined;
  if (level === 'client-authentication') {
    const keys = unusable.length > 0 ? `; keys that can't be used: ${unusable.join(', ')}` : '';
    return new GatewayError(
      'SSH_AUTH_FAILED',
      `${user}@${host}:${port} takes none of the agent's and the configured keys${keys}`,
      { cause: error },
    );
  }
  return new GatewayError('SSH_UNREACHABLE', `no SSH connection to ${user}@${host}:${port}: ${messageOf(error)}`, {
    cause: error,
  });
}
