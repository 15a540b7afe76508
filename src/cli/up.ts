import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Environment } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { startAgent, MAX_SESSIONS_DEFAULT } from './agent.ts';
import { connectApi, findAdminToken, type CallApi } from './api.ts';
import { GATEWAY_OPTIONS, startGateway } from './gateway.ts';
import { aborted, untilSignal } from './signals.ts';

const SCREEN_DEFAULT = '1280x720@25';

const USAGE = `usage: nekogate up [--host ADDRESS] [--port N] [--data-dir DIR] [--app PROGRAM] [--screen ${SCREEN_DEFAULT}]

Gateway and agent on this machine, and a first desktop; Ctrl-C ends all of it.
`;

const AGENT_ID = 'local';

/** The whole house on one machine: reads like the picture in ARCHITECTURE.md, and holds no logic of its own. */
export async function runUp(args: string[], environment: Environment): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { ...GATEWAY_OPTIONS, app: { type: 'string' }, screen: { type: 'string' } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stop = untilSignal();
  // People read the progress; the log speaks only of trouble unless it is asked for more.
  const log = createLogger(environment.logLevel === 'info' ? 'warn' : environment.logLevel);
  const own = { ...environment, dataDir: values['data-dir'] ?? environment.dataDir };
  try {
    await using gateway = await startGateway(values, own, log);
    say(`gateway   ${gateway.url}   (API ${gateway.url}/docs)`);
    const callApi = connectApi(gateway.url, await findAdminToken(own), stop);
    await using agent = await startAgent(own, log, {
      agentId: AGENT_ID,
      agentKey: await freshKey(callApi),
      gatewayUrl: gateway.url,
      maxSessions: MAX_SESSIONS_DEFAULT,
      reach: { addresses: [{ address: '127.0.0.1' }] },
    });
    await Promise.race([agent.connected, aborted(stop)]);
    const viewUrl = await openDesktop(callApi, values);
    say(`\n  Your desktop:  ${viewUrl}\n\nCtrl-C ends it.`);
    await aborted(stop);
    say('\nending the desktop');
  } catch (thrown) {
    if (!stop.aborted) throw thrown;
  }
  return 0;
}

/** Rotating the key at every start keeps it in memory only. */
async function freshKey(callApi: CallApi): Promise<string> {
  const Key = z.object({ key: z.string() });
  try {
    return (await callApi('POST', '/api/v1/agents', Key, { id: AGENT_ID, label: 'this machine' })).key;
  } catch (thrown) {
    if (!(thrown instanceof GatewayError) || thrown.code !== 'CONFLICT') throw thrown;
    return (await callApi('POST', `/api/v1/agents/${AGENT_ID}/rotate-key`, Key)).key;
  }
}

const Session = z.object({
  id: z.string(),
  agentId: z.string(),
  state: z.string(),
  streamer: z.string().nullish(),
  reason: z.object({ message: z.string() }).nullish(),
});

async function openDesktop(callApi: CallApi, flags: { app?: string | undefined; screen?: string }): Promise<string> {
  const isAnyGood = flags.app === undefined && flags.screen === undefined;
  const { id } = (isAnyGood ? await findDesktop(callApi) : undefined) ?? (await startDesktop(callApi, flags));
  const { viewUrl } = await callApi('POST', `/api/v1/sessions/${id}/access`, z.object({ viewUrl: z.string() }), {
    role: 'owner',
    label: 'nekogate up',
    ttlSeconds: 24 * 3600,
  });
  return viewUrl;
}

/** One that runs on since an earlier `up` was killed: its programs are still there. */
async function findDesktop(callApi: CallApi): Promise<z.infer<typeof Session> | undefined> {
  const Page = z.object({ sessions: z.array(Session) });
  const { sessions } = await callApi('GET', '/api/v1/sessions?state=running', Page);
  const left = sessions.find(({ agentId }) => agentId === AGENT_ID);
  if (left !== undefined) say('desktop   going on with the one that runs since before');
  return left;
}

async function startDesktop(
  callApi: CallApi,
  { app, screen = SCREEN_DEFAULT }: { app?: string | undefined; screen?: string },
): Promise<z.infer<typeof Session>> {
  say(`desktop   starting ${app ?? 'a browser, or a terminal where there is none'}`);
  const startedAt = performance.now();
  const session = await callApi('POST', '/api/v1/sessions?wait=ready', Session, {
    agentId: AGENT_ID,
    screen: parseScreen(screen),
    ...(app === undefined ? {} : { app: [app] }),
  });
  if (session.state !== 'running') {
    throw new GatewayError(
      'SESSION_START_FAILED',
      `the desktop is ${session.state}: ${session.reason?.message ?? 'no reason given'}\nTry \`nekogate doctor\`.`,
    );
  }
  say(
    `desktop   first frame after ${((performance.now() - startedAt) / 1000).toFixed(1)} s   (${session.streamer === 'neko' ? 'neko' : 'embedded streamer'})`,
  );
  return session;
}

function parseScreen(text: string): { width: number; height: number; rate: number } {
  const match = /^(\d+)x(\d+)(?:@(\d+))?$/.exec(text);
  if (!match) throw new GatewayError('BAD_REQUEST', `--screen ${text} is not like 1280x720@25`);
  return { width: Number(match[1]), height: Number(match[2]), rate: Number(match[3] ?? 25) };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
