import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Action } from '../../computer/actions.ts';
import type { Failure, Found } from '../../computer/executor.ts';
import { ControlRefusal } from '../../computer/holder.ts';
import { GatewayError, toGatewayError } from '../../errors.ts';
import type { Hub } from '../agents/hub.ts';
import { accessOf, untilGone } from '../calls.ts';
import type { Caller, Program, Programs } from '../computer/programs.ts';
import { mayDrive, runAt } from '../computer/run.ts';
import { getJoinable } from '../logins/admission.ts';
import type { Sessions } from '../sessions/sessions.ts';
import type { AccessRow, SessionRow } from '../store/tables.ts';
import { DesktopFailure, type SandboxCode } from './problem.ts';
import { nameByState, statusOf, type Status } from './status.ts';
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

/** What sandbox-agent calls failures of one kind of call. */
export interface Names {
  /** Of the desktop itself, rather than of what was asked. */
  behind: SandboxCode;
  notFound?: SandboxCode;
}

type Act<T> = (program: Program, signal: AbortSignal) => Promise<T>;

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

  /** As the gateway knows it, without a question to the desktop. @throws GatewayError SESSION_NOT_FOUND */
  async status({ access }: Calling): Promise<Status> {
    const session = await this.#deps.sessions.get(access.session_id);
    return statusOf(session, this.#deps.hub.stateOf(session.agent_id));
  }

  /** @throws DesktopFailure, called by the state that the desktop is in */
  async assertActive(calling: Calling): Promise<SessionRow> {
    const { session_id: sessionId } = calling.access;
    try {
      return (await getJoinable(this.#deps, sessionId)).session;
    } catch (thrown) {
      throw await nameByState(this.#deps, sessionId, thrown);
    }
  }

  /** Asks something of an active desktop. @throws GatewayError, called as `names` has it */
  async ask<T>(calling: Calling, names: Names, question: () => Promise<T>): Promise<T> {
    await this.assertActive(calling);
    try {
      return await question();
    } catch (thrown) {
      const failure = toGatewayError(thrown);
      const called = BEHIND.includes(failure.status)
        ? names.behind
        : failure.code === 'NOT_FOUND'
          ? names.notFound
          : undefined;
      throw called === undefined ? failure : new DesktopFailure(called, failure, { cause: failure });
    }
  }

  /** Resolves with what the actions were to find, the last of each kind, once all were done; places are pixels of the screen. @throws GatewayError */
  async look(calling: Calling, names: Names, actions: readonly Action[]): Promise<Found> {
    const { access, caller, signal } = calling;
    return await this.ask(calling, names, () =>
      this.#deps.programs.use(access, caller, signal, (program, within) => run(program, actions, access, within)),
    );
  }

  /** As `look`, with the controls. */
  async act(calling: Calling, names: Names, actions: readonly Action[]): Promise<Found> {
    return await this.#lend(calling, names, actions, (program, signal) =>
      run(program, actions, calling.access, signal),
    );
  }

  /** Does something else with the controls. @throws GatewayError FORBIDDEN | CONTROL_TAKEN, a ControlRefusal */
  async drive<T>(calling: Calling, names: Names, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { access } = calling;
    if (!mayDrive(access)) throw new GatewayError('FORBIDDEN', `role ${access.role} may only watch; a controller may`);
    return await this.#lend(calling, names, [], async ({ driver }, signal) => {
      await driver.takeControls(signal);
      return await act(signal);
    });
  }

  /** The controls come from the access's own streams, and go back to them unless something is held down. */
  async #lend<T>(calling: Calling, names: Names, actions: readonly Action[], act: Act<T>): Promise<T> {
    const { access, caller, signal } = calling;
    const { programs, streams } = this.#deps;
    return await this.ask(calling, names, () =>
      programs.use(access, caller, signal, async (program, within) => {
        await using loan = await streams.borrow(access.id, within);
        try {
          const done = await act(program, within);
          if (!this.#holds(program, actions)) await loan.giveBack(program.driver, within);
          return done;
        } catch (thrown) {
          // What was at work may have taken the controls before it failed.
          if (!this.#holds(program, [])) await loan.giveBack(program.driver, within).catch(() => undefined);
          throw thrown;
        }
      }),
    );
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

async function run(
  program: Program,
  actions: readonly Action[],
  access: AccessRow,
  signal: AbortSignal,
): Promise<Found> {
  const { screen } = program.driver;
  const results = await runAt(program, actions, {
    view: { space: screen, screen, format: 'png' },
    mayDrive: mayDrive(access),
    signal,
  });
  const failed = results.find((result) => result.outcome === 'failed');
  if (failed) throw failureOf(failed.error);
  let found: Found = {};
  for (const result of results) if (result.outcome === 'done') found = { ...found, ...result };
  return found;
}

function failureOf({ code, message, holder }: Failure): GatewayError {
  if (code === 'CONTROL_TAKEN' || code === 'CONTROL_LOST') return new ControlRefusal(code, message, holder);
  return new GatewayError(code, message);
}
