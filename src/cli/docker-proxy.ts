import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { z } from 'zod';
import type { Environment } from '../config.ts';
import { FLUSH_PATH, STATUS_PATH } from '../docker-proxy/planner.ts';
import { ProxyStatus, startDockerProxy, type DockerProxy } from '../docker-proxy/proxy.ts';
import type { DoorAddress } from '../docker-proxy/door/door.ts';
import { LIMITS } from '../docker-proxy/limits.ts';
import type { SshDeps } from '../docker-proxy/ssh/connect.ts';
import { SshLink, type RemoteDocker } from '../docker-proxy/ssh/link.ts';
import { SshPool } from '../docker-proxy/ssh/pool.ts';
import { parseDestination } from '../docker-proxy/ssh/settings.ts';
import { GatewayError } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { aborted, untilSignal } from './signals.ts';

const USAGE = `usage: nekogate docker-proxy --ssh USER@HOST [--socket PATH | --listen 127.0.0.1:23750] …
       nekogate docker-proxy status [--json] [--socket PATH | --listen ADDRESS:PORT]
       nekogate docker-proxy flush [--socket PATH | --listen ADDRESS:PORT]
       nekogate docker-proxy context create|remove [NAME] [--socket PATH | --listen ADDRESS:PORT]

  --ssh USER@HOST     the remote host, as ssh takes it; ~/.ssh/config counts. Also as --ssh-user and --ssh-host HOST:PORT
  --ssh-key FILE      a private key to try first; one with a passphrase has to be in the agent
  --ssh-config FILE   instead of ~/.ssh/config
  --accept-new-host-key
                      a host that is not in known_hosts is written there; a changed key is refused all the same
  --remote-docker URL unix:///var/run/docker.sock, or tcp://ADDRESS:PORT as the remote host reaches it
  --socket PATH       where Docker's clients find the proxy (docker-proxy.sock in the runtime folder), for this user alone
  --listen ADDRESS:PORT
                      on TCP instead, of the loopback only: every program of this machine can use it then
  --allow-path PATH   a local folder of which containers may get something by -v; may be given again; all folders when it isn't
  --config FILE       JSON with ListenAddr, SSHUser, SSHHost, SSHKeyPath, RemoteDocker, AllowedPaths, MaxConnections, MaxPorts,
                      MaxFolders; options win over it.
                      Contexts, by name, have the same members: each is a host of its own, with a socket docker-proxy-NAME.sock
  --context NAME      for status, flush and context: the one of these that is meant

\`flush\` returns once every folder of running containers is the same on both sides.

Point docker at it: export DOCKER_HOST=unix://…/docker-proxy.sock, or \`context create\` and \`docker context use nekogate\`.
`;

const Context = z.strictObject({
  ListenAddr: z.string().optional(),
  SSHUser: z.string().optional(),
  SSHHost: z.string().optional(),
  SSHKeyPath: z.string().optional(),
  RemoteDocker: z.string().optional(),
  AllowedPaths: z.array(z.string()).optional(),
  MaxConnections: z.int().min(1).max(65_536).optional(),
  MaxPorts: z.int().min(0).max(65_536).optional(),
  MaxFolders: z.int().min(0).max(65_536).optional(),
});
type Context = z.infer<typeof Context>;

/** A name is part of file names. */
const ContextName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/);
const ConfigFile = Context.extend({ Contexts: z.record(ContextName, Context).optional() });

const OPTIONS = {
  ssh: { type: 'string' },
  'ssh-user': { type: 'string' },
  'ssh-host': { type: 'string' },
  'ssh-key': { type: 'string' },
  'ssh-config': { type: 'string' },
  'accept-new-host-key': { type: 'boolean' },
  'remote-docker': { type: 'string' },
  socket: { type: 'string' },
  listen: { type: 'string' },
  'allow-path': { type: 'string', multiple: true },
  config: { type: 'string' },
  context: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

const CONTEXT_NAME = 'nekogate';

export async function runDockerProxy(args: string[], environment: Environment): Promise<number> {
  // Programs of Go's take one dash as well as two.
  const dashed = args.map((arg) => (/^-[a-z]{2}/.test(arg) ? `-${arg}` : arg));
  const { values, positionals } = parseArgs({ args: dashed, allowPositionals: true, options: OPTIONS });
  const [command, ...rest] = positionals;
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { Contexts: contexts = {}, ...alone } =
    values.config === undefined ? {} : ConfigFile.parse(JSON.parse(await readFile(values.config, 'utf8')));
  const name = values.context === undefined ? undefined : ContextName.parse(values.context);
  const address = addressOf(values, (name === undefined ? alone : contexts[name])?.ListenAddr, {
    name,
    runtimeDir: environment.runtimeDir,
  });
  if (command === 'status' && rest.length === 0) return showStatus(address, values.json ?? false);
  if (command === 'flush' && rest.length === 0) return flush(address);
  if (command === 'context') return changeContext(rest, address);
  const single = {
    SSHUser: values['ssh-user'] ?? alone.SSHUser,
    SSHHost: values.ssh ?? values['ssh-host'] ?? alone.SSHHost,
    SSHKeyPath: values['ssh-key'] ?? alone.SSHKeyPath,
    RemoteDocker: values['remote-docker'] ?? alone.RemoteDocker,
    AllowedPaths: values['allow-path'] ?? alone.AllowedPaths,
    MaxConnections: alone.MaxConnections,
    MaxPorts: alone.MaxPorts,
    MaxFolders: alone.MaxFolders,
  };
  const wanted: Wanted[] = Object.entries(contexts).map(([key, context]) => ({
    context,
    dataDir: join(environment.dataDir, 'docker-proxy-contexts', key),
    address: addressOf({}, context.ListenAddr, { name: key, runtimeDir: environment.runtimeDir }),
  }));
  if (single.SSHHost !== undefined) wanted.push({ context: single, dataDir: environment.dataDir, address });
  if (command !== undefined || wanted.length === 0 || wanted.some(({ context }) => context.SSHHost === undefined)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const stop = untilSignal();
  const deps = {
    log: createLogger(environment.logLevel),
    agentSocket: environment.sshAuthSock,
    acceptNewHostKeys: values['accept-new-host-key'] ?? false,
    pool: new SshPool(),
  };
  await using proxies = new AsyncDisposableStack();
  for (const one of wanted) proxies.use(await startProxy(deps, one, values['ssh-config']));
  await aborted(stop);
  return 0;
}

interface Wanted {
  context: Context;
  dataDir: string;
  address: DoorAddress;
}

async function startProxy(
  deps: SshDeps & { pool: SshPool },
  { context, dataDir, address }: Wanted,
  configFile: string | undefined,
): Promise<DockerProxy> {
  const { SSHHost = '', SSHUser, SSHKeyPath, RemoteDocker = 'unix:///var/run/docker.sock', AllowedPaths } = context;
  const destination = parseDestination(SSHHost);
  const docker = parseRemoteDocker(RemoteDocker);
  const user = destination.user ?? SSHUser;
  const remote = new SshLink(deps, { ...destination, user, keyFile: SSHKeyPath, configFile }, docker, deps.pool);
  const limits = {
    connections: context.MaxConnections ?? LIMITS.connections,
    ports: context.MaxPorts ?? LIMITS.ports,
    folders: context.MaxFolders ?? LIMITS.folders,
  };
  const proxy = await startDockerProxy(remote, { address, dataDir, allowedPaths: AllowedPaths, limits, log: deps.log });
  process.stdout.write(`export DOCKER_HOST=${proxy.url}\n`);
  return proxy;
}

function addressOf(
  { socket, listen }: { socket?: string | undefined; listen?: string | undefined },
  configured: string | undefined,
  { name, runtimeDir }: { name: string | undefined; runtimeDir: string },
): DoorAddress {
  const tcp = socket === undefined ? (listen ?? configured) : undefined;
  if (tcp !== undefined) return { kind: 'tcp', ...parseHostPort(tcp) };
  const file = name === undefined ? 'docker-proxy.sock' : `docker-proxy-${name}.sock`;
  return { kind: 'socket', path: socket ?? join(runtimeDir, file) };
}

function parseRemoteDocker(url: string): RemoteDocker {
  if (url.startsWith('unix:///')) return { kind: 'socket', path: url.slice('unix://'.length) };
  if (url.startsWith('tcp://')) return { kind: 'tcp', ...parseHostPort(url.slice('tcp://'.length)) };
  throw new GatewayError('BAD_REQUEST', `--remote-docker ${url} is neither unix:///PATH nor tcp://ADDRESS:PORT`);
}

function parseHostPort(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})\/?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port > 65_535)
    throw new GatewayError('BAD_REQUEST', `"${text}" is not like 127.0.0.1:23750`);
  return { host, port };
}

async function showStatus(address: DoorAddress, asJson: boolean): Promise<number> {
  const status = await readStatus(address);
  if (asJson) {
    process.stdout.write(`${JSON.stringify(status, null, 2)}\n`);
    return 0;
  }
  for (const [lane, { state, since, connections, channels, lastError }] of Object.entries(status.ssh))
    process.stdout.write(
      `ssh ${lane}\t${state} since ${since}\t${channels} channels of ${connections} connections${lastError === undefined ? '' : `\t${lastError}`}\n`,
    );
  const limits = Object.entries(status.limits).map(([kind, { now, max }]) => `${now} of ${max} ${kind}`);
  process.stdout.write(`${limits.join('\t')}\n`);
  for (const forward of status.forwards) {
    const local = forward.failure ?? `${forward.address || 'localhost'}:${forward.localPort ?? '-'}`;
    const line = [
      forward.name,
      forward.container.slice(0, 12),
      `${local} -> ${forward.port}`,
      `remote ${forward.remotePort ?? '-'}`,
      `${forward.connections} open`,
    ];
    process.stdout.write(`${line.join('\t')}\n`);
  }
  for (const { local, direction, state, done, total, failure } of status.folders)
    process.stdout.write(`${local}\t${direction}\t${failure ?? `${state} (${done} of ${total})`}\n`);
  return 0;
}

async function flush(address: DoorAddress): Promise<number> {
  const { status, text } = await ask(address, 'POST', FLUSH_PATH);
  if (status === 200) return 0;
  process.stderr.write(`${Refusal.parse(JSON.parse(text)).message}\n`);
  return 1;
}

const Refusal = z.object({ message: z.string() });

async function readStatus(address: DoorAddress): Promise<ProxyStatus> {
  const { text } = await ask(address, 'GET', STATUS_PATH);
  return ProxyStatus.parse(JSON.parse(text));
}

async function ask(address: DoorAddress, method: string, path: string): Promise<{ status: number; text: string }> {
  const place = address.kind === 'socket' ? { socketPath: address.path } : { host: address.host, port: address.port };
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  request({ ...place, method, path }, (answer) => {
    let text = '';
    answer.setEncoding('utf8');
    answer
      .on('data', (piece: string) => (text += piece))
      .on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
  })
    .on('error', reject)
    .end();
  return promise.catch((cause: unknown) => {
    const where = address.kind === 'socket' ? address.path : `${address.host}:${address.port}`;
    throw new GatewayError('NOT_FOUND', `no docker proxy answers at ${where}`, { cause });
  });
}

/** By the docker client itself, which knows where its contexts lie. */
async function changeContext(
  [verb, name = CONTEXT_NAME, ...rest]: readonly string[],
  address: DoorAddress,
): Promise<number> {
  const host = address.kind === 'socket' ? `unix://${address.path}` : `tcp://${address.host}:${address.port}`;
  const args = {
    create: ['create', name, '--description', 'a remote host through nekogate', '--docker', `host=${host}`],
    remove: ['rm', '--force', name],
  };
  if ((verb !== 'create' && verb !== 'remove') || rest.length > 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  const result = await execa('docker', ['context', ...args[verb]], { reject: false, stdin: 'ignore' });
  if (result.code === 'ENOENT') throw new GatewayError('DEPENDENCY_MISSING', 'the docker client is not on PATH');
  if (result.failed) throw new GatewayError('BAD_REQUEST', `docker context ${verb} failed: ${result.stderr}`);
  process.stdout.write(`${result.stdout}\n`);
  return 0;
}
