import { homedir, userInfo } from 'node:os';
import { execa } from 'execa';
import { GatewayError } from '../../errors.ts';

/** Where to, as a user says it; what is left out comes from ssh_config. */
export interface SshDestination {
  host: string;
  user?: string | undefined;
  port?: number | undefined;
  /** Tried before the configured ones. */
  keyFile?: string | undefined;
  /** Instead of ~/.ssh/config and the system's. */
  configFile?: string | undefined;
}

/** What OpenSSH would use for a destination. */
export interface SshSettings {
  host: string;
  port: number;
  user: string;
  identityFiles: readonly string[];
  identitiesOnly: boolean;
  /** Where the agent listens; undefined: where SSH_AUTH_SOCK says; `none`: there is none. */
  identityAgent: string | undefined;
  userKnownHosts: readonly string[];
  globalKnownHosts: readonly string[];
  hostKeyAlias: string | undefined;
  /** Unknown host keys are written down instead of refused. Changed ones are refused in any case. */
  acceptNewHostKeys: boolean;
  /** `user@host:port`, the nearest first. */
  jumps: readonly string[];
}

/**
 * Asks OpenSSH itself (`ssh -G`), for nobody else reads Include, Match and its tokens as it does.
 * @throws GatewayError DEPENDENCY_MISSING | BAD_REQUEST
 */
export async function readSshSettings(destination: SshDestination): Promise<SshSettings> {
  const { host, user, port, keyFile, configFile } = destination;
  const args = [
    ...(configFile === undefined ? [] : ['-F', configFile]),
    ...(user === undefined ? [] : ['-l', user]),
    ...(port === undefined ? [] : ['-p', String(port)]),
    ...(keyFile === undefined ? [] : ['-i', keyFile]),
  ];
  const result = await execa('ssh', [...args, '-G', '--', host], { reject: false, stdin: 'ignore' });
  if (result.code === 'ENOENT')
    throw new GatewayError('DEPENDENCY_MISSING', "OpenSSH's client (ssh) reads its own configuration; install it");
  if (result.failed)
    throw new GatewayError('BAD_REQUEST', `ssh -G ${host} refuses its configuration: ${result.stderr.slice(-500)}`);
  return parseSshSettings(result.stdout);
}

/** What `ssh -G` writes: a keyword and its value a line. @throws GatewayError BAD_REQUEST for what this proxy can't do */
export function parseSshSettings(text: string): SshSettings {
  const values = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, keyword, value] = /^(\S+) (.*)$/.exec(line) ?? [];
    if (keyword !== undefined && value !== undefined) values.set(keyword, [...(values.get(keyword) ?? []), value]);
  }
  const one = (keyword: string): string | undefined => {
    const value = values.get(keyword)?.[0];
    return value === 'none' ? undefined : value;
  };
  const host = one('hostname') ?? '';
  const user = one('user') ?? userInfo().username;
  if (one('proxycommand') !== undefined)
    throw new GatewayError(
      'BAD_REQUEST',
      `${host} is configured with ProxyCommand, which the docker proxy can't use; ProxyJump it can`,
    );
  const expand = (path: string): string => expandPath(path, { host, user });
  const paths = (keyword: string): string[] =>
    (one(keyword) ?? '')
      .split(' ')
      .filter((path) => path !== '')
      .map(expand);
  const agent = values.get('identityagent')?.[0];
  return {
    host,
    user,
    port: Number(one('port') ?? 22),
    identityFiles: (values.get('identityfile') ?? []).filter((file) => file !== 'none').map(expand),
    identitiesOnly: one('identitiesonly') === 'yes',
    identityAgent:
      agent === undefined || agent === 'SSH_AUTH_SOCK' ? undefined : agent === 'none' ? agent : expand(agent),
    userKnownHosts: paths('userknownhostsfile'),
    globalKnownHosts: paths('globalknownhostsfile'),
    hostKeyAlias: one('hostkeyalias'),
    // `no` would also go on with changed keys; that is nobody's wish for a root-like access.
    acceptNewHostKeys: ['accept-new', 'no', 'false', 'off'].includes(one('stricthostkeychecking') ?? 'ask'),
    jumps: (one('proxyjump') ?? '').split(',').filter((jump) => jump !== ''),
  };
}

/** `user@host:port` and `[address]:port`, as ProxyJump and our own flags take them. @throws GatewayError BAD_REQUEST */
export function parseDestination(text: string): SshDestination {
  const match = /^(?:ssh:\/\/)?(?:([^@\s]+)@)?(?:\[([^\]\s]+)\]|([^:\s[\]]+))(?::(\d{1,5}))?\/?$/.exec(text);
  const host = match?.[2] ?? match?.[3];
  if (host === undefined || host.startsWith('-'))
    throw new GatewayError('BAD_REQUEST', `"${text}" is no SSH destination; it is like user@host or user@host:22`);
  return { host, user: match?.[1], port: match?.[4] === undefined ? undefined : Number(match[4]) };
}

/** ssh -G leaves the tilde and tokens of files as they are (ssh_config(5), TOKENS). */
function expandPath(path: string, { host, user }: { host: string; user: string }): string {
  const tokens: Record<string, string> = { '%': '%', d: homedir(), h: host, r: user, u: userInfo().username };
  return path.replace(/^~(?=\/|$)/, homedir()).replaceAll(/%(.)/g, (token, letter: string) => tokens[letter] ?? token);
}
