import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { endLeftoversOfDead } from '../agent/runtimes/process-leftovers.ts';
import { claimSlot } from '../agent/slots.ts';
import type { Environment } from '../config.ts';
import { makeSessionFolder, removeSessionFolder, sessionFolder } from '../desktop/folder.ts';
import { readOrder, StateFile, writeOrder, type DesktopOrder, type DesktopState } from '../desktop/state.ts';
import { GatewayError } from '../errors.ts';
import { createLogger } from '../logger.ts';
import { boundedLog } from '../process/log-file.ts';
import { identityOf } from '../process/table.ts';
import { ScreenText, SessionSpec, type Screen } from '../protocol/session.ts';
import { runContainer } from './desktop-container.ts';
import { untilSignal } from './signals.ts';
import { superviseDesktop } from './supervise-desktop.ts';

const USAGE = `usage: nekogate desktop [--screen 1280x720@25] [--no-audio] [-- PROGRAM [ARGUMENT...]]
       nekogate desktop --dir DIR
       nekogate desktop --container

One supervised desktop without a gateway, until Ctrl-C: the program, or a browser, or a terminal where there is none.

  --dir DIR   as agents start it: the order is in DIR/spec.json, and DIR/desktop.json is kept up to date
  --container   as a container's only task: NEKO_* variables are the order, as for any neko image, with NEKOGATE_APP (a JSON array),
                NEKOGATE_AUDIO and NEKOGATE_ACCESSIBILITY (0 or 1) beside them; HOME stays, and all else lies in NEKOGATE_RUNTIME_DIR
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
      container: { type: 'boolean' },
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
  if (values.container) return runContainer(environment, stop);
  if (values.dir !== undefined) {
    // Its agent gives it a file, which nobody else keeps small.
    const log = createLogger(environment.logLevel, boundedLog(2, LOG_MAX_BYTES));
    const states = new StateFile(values.dir, log);
    const onState = (state: DesktopState): void => states.write(state);
    try {
      const order = await readOrder(values.dir);
      return await superviseDesktop({ order, folder: sessionFolder(values.dir, order.home), onState }, environment, {
        stop,
        log,
      });
    } finally {
      await states.idle;
    }
  }
  const log = createLogger(environment.logLevel);
  await endLeftoversOfDead(environment.runtimeDir);
  const app = positionals.length > 0 ? positionals : undefined;
  const spec = SessionSpec.parse({ app, screen: readScreen(values.screen), audio: values.audio });
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
  const ordered = { order, folder: sessionFolder(path), onState: tellPeople(order) };
  return await superviseDesktop(ordered, environment, { stop, log });
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

function readScreen(text: string): Screen {
  const screen = ScreenText.safeParse(text);
  if (!screen.success) throw new GatewayError('BAD_REQUEST', `--screen ${text} is not like 1280x720@25`);
  return screen.data;
}
