import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import type { Logger } from 'pino';
import { z } from 'zod';
import { Agent } from '../agent/agent.ts';
import type { Reach } from '../agent/media.ts';
import { parseTurnServers, type TurnServers } from '../agent/turn.ts';
import type { Environment } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { VERSION } from '../version.ts';
import { parseReachAddress } from '../signaling/ice-plan.ts';
import { connectApi, findAdminToken } from './api.ts';
import { openRuntime, readRuntimeChoice, RUNTIME_OPTIONS, RUNTIME_USAGE, type RuntimeChoice } from './runtime.ts';
import { aborted, untilSignal } from './signals.ts';

const USAGE = `usage: nekogate agent --gateway URL [--id ID] [--key-file FILE] [--max-sessions N] [--nat1to1 ADDRESS]...
       nekogate agent --runtime docker [--image NAME] [--udp-range A-B] …
       nekogate agent --runtime docker --prune [--yes] [--id ID]
       nekogate agent enroll --gateway URL [--id ID] [--key-file FILE]

  --gateway URL       the gateway's address (http://127.0.0.1:8080)
  --id ID             this host's name at the gateway (its host name)
  --key-file FILE     where the agent's key is, or is to be written (0600); else NEKOGATE_AGENT_KEY
  --max-sessions N    sessions at once on this host (16)
  --nat1to1 ADDRESS   an address under which viewers reach this host's UDP ports (127.0.0.1); again for more, IPv6 too;
                      as ADDRESS=NETWORK/BITS, for viewers out of that network alone
  --turn URL          a TURN server that viewers are told of, like turn:turn.example.org:3478; again for more
  --turn-secret-file FILE
                      where its static-auth-secret is; else NEKOGATE_TURN_SECRET
${RUNTIME_USAGE}
enroll leaves a key file alone that is there, and needs the gateway's administrator token: NEKOGATE_ADMIN_TOKEN, or the data
folder of a gateway on this machine.
`;

export const MAX_SESSIONS_DEFAULT = 16;

export async function runAgent(args: string[], environment: Environment): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      gateway: { type: 'string', default: 'http://127.0.0.1:8080' },
      id: { type: 'string', default: defaultId() },
      'key-file': { type: 'string' },
      'max-sessions': { type: 'string', default: String(MAX_SESSIONS_DEFAULT) },
      nat1to1: { type: 'string', multiple: true, default: ['127.0.0.1'] },
      turn: { type: 'string', multiple: true, default: [] },
      'turn-secret-file': { type: 'string' },
      prune: { type: 'boolean' },
      yes: { type: 'boolean' },
      'end-sessions': { type: 'boolean' },
      help: { type: 'boolean' },
      ...RUNTIME_OPTIONS,
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (positionals[0] === 'enroll') return enroll(values.gateway, values.id, values['key-file'], environment);
  if (positionals.length > 0) {
    process.stderr.write(USAGE);
    return 2;
  }
  const runtime = readRuntimeChoice(values);
  if (values.prune)
    return (await import('./prune.ts')).prune(environment, values.id, { runtime, yes: values.yes ?? false });
  const agentKey =
    values['key-file'] === undefined ? environment.agentKey : (await readFile(values['key-file'], 'utf8')).trim();
  if (agentKey === undefined || !/^[0-9a-f]{64}$/.test(agentKey)) {
    throw new GatewayError(
      'UNAUTHENTICATED',
      'the agent has no key of 64 hex digits; make one with `nekogate agent enroll`, and give it by --key-file or NEKOGATE_AGENT_KEY',
    );
  }
  const turn = await readTurn(values.turn, values['turn-secret-file'], environment);
  const stop = untilSignal();
  const log = createLogger(environment.logLevel);
  await using agent = await startAgent(environment, log, {
    agentId: values.id,
    agentKey,
    gatewayUrl: values.gateway,
    maxSessions: z.coerce.number().int().min(1).max(1000).parse(values['max-sessions']),
    reach: { addresses: values.nat1to1.map(parseReachAddress), turn },
    runtime,
  });
  await aborted(stop);
  if (runtime.runtime === 'docker' && !values['end-sessions']) {
    log.info('the agent ends; its sessions run on, and the next agent takes them over');
    // As if it were killed, which the next one is made for: whatever is closed in order here would end people's logins.
    process.exit(0);
  }
  await agent.stop();
  return 0;
}

export interface HostOptions {
  agentId: string;
  agentKey: string;
  gatewayUrl: string;
  maxSessions: number;
  /** How viewers reach this host. */
  reach: Reach;
  /** How sessions run; left out, as local processes. */
  runtime?: RuntimeChoice;
  /** How long a login waits for a client that was lost (30 s). */
  loginGraceMs?: number;
}

/** The agent of this machine, as `agent` and `up` run it. */
export async function startAgent(environment: Environment, log: Logger, options: HostOptions): Promise<Agent> {
  const { agentId, reach } = options;
  // A streamer takes IPv4 alone, and one is enough: the relay tells each viewer those that are for it.
  const nat1to1 = reach.addresses
    .map(({ address }) => address)
    .filter(isIPv4)
    .slice(0, 1);
  const { runtime, streamer } = await openRuntime(environment, options.runtime, { agentId, nat1to1, log });
  return Agent.start(runtime, { ...options, version: VERSION, streamer, log });
}

async function readTurn(
  urls: string[],
  secretFile: string | undefined,
  environment: Environment,
): Promise<TurnServers | undefined> {
  if (secretFile !== undefined && urls.length === 0)
    throw new GatewayError('BAD_REQUEST', '--turn-secret-file is of no use without --turn URL');
  const secret = secretFile === undefined ? environment.turnSecret : (await readFile(secretFile, 'utf8')).trim();
  return parseTurnServers(urls, secret);
}

async function enroll(
  gatewayUrl: string,
  id: string,
  keyFile: string | undefined,
  environment: Environment,
): Promise<number> {
  if (keyFile !== undefined && existsSync(keyFile)) {
    process.stdout.write(`${keyFile} is there already\n`);
    return 0;
  }
  const callApi = connectApi(gatewayUrl, await findAdminToken(environment));
  const { key } = await callApi('POST', '/api/v1/agents', z.object({ key: z.string() }), { id });
  if (keyFile === undefined) {
    process.stdout.write(`${key}\n`);
    return 0;
  }
  await writeFile(keyFile, `${key}\n`, { mode: 0o600, flag: 'wx' });
  process.stdout.write(`${keyFile} holds the key of agent ${id}\n`);
  return 0;
}

function defaultId(): string {
  return (
    hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, '-')
      .replace(/^-+/, '')
      .slice(0, 64) || 'host'
  );
}
