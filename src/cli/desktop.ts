import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import type { Logger } from 'pino';
import { endLeftoversOfDead } from '../agent/runtimes/process-leftovers.ts';
import { claimSlot } from '../agent/slots.ts';
import type { Environment } from '../config.ts';
import { Desktop } from '../desktop/desktop.ts';
import { makeSessionFolder, removeSessionFolder, sessionFolder } from '../desktop/folder.ts';
import { findDesktopPrograms } from '../desktop/programs.ts';
import { RESTART_LIMITS } from '../desktop/restart-policy.ts';
import { readOrder, StateFile, writeOrder, type DesktopOrder, type DesktopState } from '../desktop/state.ts';
import { GatewayError } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { findStreamer } from '../neko/find.ts';
import { boundedLog } from '../process/log-file.ts';
import { identityOf } from '../process/table.ts';
import { Screen, SessionSpec } from '../protocol/session.ts';
import { aborted, untilSignal } from './signals.ts';

const USAGE = `usage: nekogate desktop [--screen 1280x720@25] [--no-audio] [-- PROGRAM [ARGUMENT...]]
       nekogate desktop --dir DIR

One supervised desktop without a gateway, until Ctrl-C: the program, or a browser, or a terminal where there is none.

  --dir DIR   as agents start it: the order is in DIR/spec.json, and DIR/desktop.json is kept up to date
`;

/** Of a desktop that an agent started; a day of a desktop at peace writes a few lines. */
const LOG_MAX_BYTES = 1024 * 1024;

export async function runDesktop(args: string[], environment: Environment): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    allowNegative: true,
    options: {
      dir: { type: 'string' },
      screen: { type: 'string', default: '1280x720@25' },
      audio: { type: 'boolean', default: true },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const stop = untilSignal();
  if (values.dir !== undefined) {
    // Its agent gives it a file, which nobody else keeps small.
    const log = createLogger(environment.logLevel, boundedLog(2, LOG_MAX_BYTES));
    const states = new StateFile(values.dir, log);
    const onState = (state: DesktopState): void => states.write(state);
    try {
      return await run(await readOrder(values.dir), { environment, path: values.dir, onState, stop, log });
    } finally {
      await states.idle;
    }
  }
  const log = createLogger(environment.logLevel);
  await endLeftoversOfDead(environment.runtimeDir);
  const app = positionals.length > 0 ? positionals : undefined;
  const spec = SessionSpec.parse({ app, screen: parseScreen(values.screen), audio: values.audio });
  await using owned = new AsyncDisposableStack();
  const slot = owned.adopt(await claimSlot(), (claimed) => claimed.release());
  const path = owned.adopt(makeSessionFolder(environment.runtimeDir), removeSessionFolder);
  const order = {
    sessionId: 'by-hand',
    owner: identityOf(process.pid),
    spec,
    ports: slot.ports,
    nat1to1: [],
    adminPassword: randomBytes(24).toString('base64url'),
  };
  // Who cleans up after a crash looks for it here.
  await writeOrder(path, order);
  return await run(order, { environment, path, onState: tellPeople(order), stop, log });
}

interface Run {
  environment: Environment;
  path: string;
  onState: (state: DesktopState) => void;
  stop: AbortSignal;
  log: Logger;
}

async function run(order: DesktopOrder, { environment, path, onState, stop, log }: Run): Promise<number> {
  const plan = {
    order,
    environment: { path: environment.path, inheritable: environment.inheritable, folder: sessionFolder(path) },
    programs: findDesktopPrograms(environment.path),
    streamer: findStreamer(environment),
    limits: RESTART_LIMITS,
    log,
  };
  try {
    await using desktop = await Desktop.start(plan, { onState }, stop);
    const failure = await Promise.race([desktop.failed, aborted(stop)]);
    if (failure) throw failure;
    return 0;
  } catch (thrown) {
    if (stop.aborted) return 0;
    throw thrown;
  }
}

function tellPeople(order: DesktopOrder): (state: DesktopState) => void {
  let told = '';
  return (state) => {
    const text = inWords(state, order);
    if (text !== told) process.stdout.write(`${text}\n`);
    told = text;
  };
}

function inWords(state: DesktopState, { adminPassword, ports }: DesktopOrder): string {
  if (state.state === 'failed') return `failed: ${state.reason?.message ?? ''}`;
  if (state.state === 'starting') return state.reason?.message ?? state.stage ?? 'starting';
  return [
    `running on display ${state.display} (${state.streamer.kind === 'neko' ? 'neko' : 'embedded streamer'})`,
    `  neko's API   ${state.streamer.baseUrl}   any name, password ${adminPassword}`,
    `  media        UDP ${ports.udp.min}-${ports.udp.max}`,
    `  VNC          ${state.rfbSocket}`,
  ].join('\n');
}

function parseScreen(text: string): Screen {
  const [, width, height, rate] = /^(\d+)x(\d+)(?:@(\d+))?$/.exec(text) ?? [];
  const screen = Screen.safeParse({ width: Number(width), height: Number(height), rate: Number(rate ?? 25) });
  if (!screen.success) throw new GatewayError('BAD_REQUEST', `--screen ${text} is not like 1280x720@25`);
  return screen.data;
}
