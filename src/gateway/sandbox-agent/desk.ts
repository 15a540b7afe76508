import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Action } from '../../computer/actions.ts';
import type { Failure, Found } from '../../computer/executor.ts';
import { ControlRefusal } from '../../computer/holder.ts';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { Hub } from '../agents/hub.ts';
import { accessOf, untilGone } from '../calls.ts';
import { getJoinable } from '../logins/admission.ts';
import type { Caller, Program, Programs } from '../computer/programs.ts';
import { mayDrive, runAt } from '../computer/run.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { AccessRow, SessionRow } from '../store/tables.ts';
import { DesktopFailure, type SandboxCode } from './problem.ts';
import { refusalOf, statusOf, type Status } from './status.ts';
import type { Streams } from './streams.ts';

export interface DeskDeps {
  programs: Programs;
  sessions: Sessions;
  hub: Hub;
  streams: Streams;
}

export interface Calling {
  access: AccessRow;
  caller: Caller;
  signal: AbortSignal;
}

/** What a failure of the desktop itself, rather than of what was asked, is called. */
type Attempt = Extract<SandboxCode, 'desktop_screenshot_failed' | 'desktop_input_failed'>;

/** Statuses of failures behind the gateway. */
const BEHIND = [502, 504];

export function callingOf(
  { principal, ip: address, id: requestId }: Pick<FastifyRequest, 'principal' | 'ip' | 'id'>,
  reply: FastifyReply,
): Calling {
  return { access: accessOf(principal), caller: { address, requestId }, signal: untilGone(reply) };
}

/** The desktops of those who call: each access has one login there for all its calls, the one of `POST …/computer` too. */
export class Desks {
  readonly #deps: DeskDeps;
  /** The keys and buttons that a program's calls hold down. */
  readonly #held = new WeakMap<Program, Set<string>>();

  constructor(deps: DeskDeps) {
    this.#deps = deps;
  }

  /** @throws DesktopFailure, called by the state that the desktop is in */
  async assertActive(calling: Calling): Promise<SessionRow> {
    try {
      return (await getJoinable(this.#deps, calling.access.session_id)).session;
    } catch (thrown) {
      const called = refusalOf(await this.status(calling));
      throw called === undefined ? thrown : new DesktopFailure(called, toGatewayError(thrown), { cause: thrown });
    }
  }

  /** As the gateway knows it, without a question to the desktop. @throws GatewayError SESSION_NOT_FOUND */
  async status({ access }: Pick<Calling, 'access'>): Promise<Status> {
    const session = await this.#deps.sessions.get(access.session_id);
    return statusOf(session, this.#deps.hub.stateOf(session.agent_id));
  }

  /** Lends the caller's program; what fails behind the gateway is called so. @throws GatewayError */
  async use<T>(
    calling: Calling,
    called: SandboxCode,
    act: (program: Program, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    await this.assertActive(calling);
    try {
      return await this.#deps.programs.use(calling.access, calling.caller, calling.signal, act);
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      throw BEHIND.includes(failure.status) ? new DesktopFailure(called, failure, { cause: failure }) : failure;
    }
  }

  /** Resolves with what the last of the actions was to find, once all were done; places are pixels of the screen. @throws GatewayError */
  async act(calling: Calling, attempt: Attempt, actions: readonly Action[]): Promise<Found> {
    const { access } = calling;
    return await this.use(calling, attempt, async (program, signal) => {
      const run = async (): Promise<Found> => {
        const { screen } = program.driver;
        const results = await runAt(program, actions, {
          view: { space: screen, screen, format: 'png' },
          mayDrive: mayDrive(access),
          signal,
        });
        const failed = results.find((result) => result.outcome === 'failed');
        if (failed) throw failureOf(failed.error);
        const last = results.at(-1);
        return last?.outcome === 'done' ? last : {};
      };
      if (attempt === 'desktop_screenshot_failed' || !mayDrive(access)) return await run();
      await using loan = await this.#deps.streams.borrow(access.id, signal);
      const found = await run();
      if (!this.#holds(program, actions)) await loan.giveBack(program.driver, signal);
      return found;
    });
  }

  /** Whether something is down after these. */
  #holds(program: Program, actions: readonly Action[]): boolean {
    const held = this.#held.get(program) ?? new Set();
    this.#held.set(program, held);
    for (const action of actions) {
      if (action.type === 'mouse_down') held.add(action.button);
      if (action.type === 'mouse_up') held.delete(action.button);
      if (action.type === 'key_down') held.add(`key ${String(action.keys)}`);
      if (action.type === 'key_up') held.delete(`key ${String(action.keys)}`);
    }
    return held.size > 0;
  }
}

function failureOf({ code, message, holder }: Failure): GatewayError {
  if (code === 'CONTROL_TAKEN' || code === 'CONTROL_LOST') return new ControlRefusal(code, message, holder);
  return new GatewayError(code, message);
}
