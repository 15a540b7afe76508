// The two files between the agent and a desktop's process: the order that it is started with, and what it says of itself.
import { readFile, rename, watch, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { WholeFile } from '../process/whole-file.ts';
import { Failure, Id, LOG_TAIL_MAX_LINES, SessionSpec } from '../protocol/session.ts';

const Identity = z.object({ pid: z.int().positive(), startTime: z.int().nonnegative() });

const Port = z.int().min(1).max(65_535);

/** Ports of the host that one desktop may use. */
export const Ports = z.object({ http: Port, udp: z.object({ min: Port, max: Port }) });
export type Ports = z.infer<typeof Ports>;

/** `spec.json`, mode 0600, written before the desktop's process starts. */
export const DesktopOrder = z.object({
  sessionId: Id,
  /** The agent's process: while it lives, the session is nobody's leftover. */
  owner: Identity,
  spec: SessionSpec,
  ports: Ports,
  /** Addresses that viewers are to send media to instead of the interfaces' own. */
  nat1to1: z.array(z.ipv4()).max(16).default([]),
  /** Where the programs' HOME is when it is to outlive the session; left out, it is in the session's folder and goes with it. */
  home: z.string().startsWith('/').max(4096).optional(),
  /** neko's administrator. */
  adminPassword: z.string().min(16).max(256),
});
export type DesktopOrder = z.infer<typeof DesktopOrder>;

/** `desktop.json`, replaced as a whole at every change. */
export const DesktopState = z.object({
  state: z.enum(['starting', 'running', 'failed']),
  /** While it starts for the first time, what it is doing. */
  stage: z.string().max(256).optional(),
  /** Why it failed, or went back to starting. */
  reason: Failure.optional(),
  logTail: z.array(z.string()).max(LOG_TAIL_MAX_LINES),
  streamer: z.object({ kind: z.enum(['neko', 'embedded']), baseUrl: z.url() }),
  display: z
    .string()
    .regex(/^:\d+$/)
    .optional(),
  /** Xvnc's RFB, on a unix socket; in a container it has the password of its TCP port. */
  rfbSocket: z.string(),
  process: Identity,
  parts: z.array(Identity.extend({ name: z.string() })),
});
export type DesktopState = z.infer<typeof DesktopState>;

const ORDER_FILE = 'spec.json';
const STATE_FILE = 'desktop.json';

/** @throws GatewayError BAD_REQUEST when it is missing or malformed */
export async function readOrder(folder: string): Promise<DesktopOrder> {
  const file = join(folder, ORDER_FILE);
  try {
    return DesktopOrder.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new GatewayError('BAD_REQUEST', `${file} is no order for a desktop: ${String(cause)}`, { cause });
  }
}

export async function writeOrder(folder: string, order: DesktopOrder): Promise<void> {
  await writeFile(join(folder, ORDER_FILE), JSON.stringify(order), { mode: 0o600, flag: 'wx' });
}

/** Puts another order in the place of the one that is there, in one step. */
export async function replaceOrder(folder: string, order: DesktopOrder): Promise<void> {
  const file = join(folder, ORDER_FILE);
  await writeFile(`${file}.new`, JSON.stringify(order), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** @returns undefined while there is none */
export async function findState(folder: string): Promise<DesktopState | undefined> {
  try {
    return DesktopState.parse(JSON.parse(await readFile(join(folder, STATE_FILE), 'utf8')));
  } catch {
    // ENOENT before its first word; and a state that can't be read says nothing.
    return undefined;
  }
}

/** Yields the state that is there now, if one is, and then each change, until the signal is aborted; then it throws. */
export async function* watchStates(folder: string, signal: AbortSignal): AsyncGenerator<DesktopState> {
  const changes = watch(folder, { signal });
  let seen = '';
  for (;;) {
    // Asked for before the look, so that no change falls between the two.
    const change = changes.next();
    // Who stops listening never comes back for it.
    change.catch(() => undefined);
    const state = await findState(folder);
    const text = JSON.stringify(state);
    if (state && text !== seen) {
      seen = text;
      yield state;
    }
    await change;
  }
}

/** Writes states one after another, each whole. */
export class StateFile {
  readonly #file: WholeFile;

  constructor(folder: string, log: Logger) {
    this.#file = new WholeFile(join(folder, STATE_FILE), log);
  }

  /** Resolves once all that was said is written, or could not be. */
  get idle(): Promise<void> {
    return this.#file.idle;
  }

  write(state: DesktopState): void {
    this.#file.write(JSON.stringify(state));
  }
}
