import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { Driver } from '../../computer/driver.ts';
import type { Holder } from '../../computer/holder.ts';
import { Seat } from '../../computer/seat.ts';
import { GatewayError, isFailureCode } from '../../errors.ts';
import type { Accesses } from '../access/accesses.ts';
import { getJoinable } from '../logins/admission.ts';
import type { Ending } from '../logins/ending.ts';
import type { Login } from '../logins/login.ts';
import type { Logins } from '../logins/logins.ts';
import { orderOf, orderOfPlainClient } from '../logins/order.ts';
import { joinAgent, recordEnd, type LoginKind, type SessionDoorDeps } from '../logins/session-door.ts';
import type { Metrics } from '../metrics.ts';
import type { AccessRow } from '../store/tables.ts';
import type { Leases } from './leases.ts';
import { PictureTunnel } from './picture-tunnel.ts';
import { Sight } from './sight.ts';

/** Calls of one access that wait for the one before; one more is refused with TOO_MANY_REQUESTS. */
const WAITING_MAX = 16;

export interface ProgramsDeps extends Pick<SessionDoorDeps, 'sessions' | 'hub' | 'tunnels' | 'audit'> {
  accesses: Accesses;
  logins: Logins;
  leases: Leases;
  metrics: Metrics;
  log: Logger;
}

export interface ProgramsOptions {
  /** How long a login is kept for the next call; it holds the controls meanwhile, unless somebody asks for them. */
  idleMs: number;
}

export interface Caller {
  address: string;
  requestId: string;
}

export interface Program {
  login: Login;
  driver: Driver;
  sight: Sight;
  /** Aborted, at the end of the login, with the failure that it ended with. */
  signal: AbortSignal;
}

/** What one access has open here for its calls. */
interface Desk {
  program: Promise<Program> | undefined;
  tail: Promise<unknown>;
  waiting: number;
  idle: NodeJS.Timeout | undefined;
  /** Of the call under way, and of those that wait. */
  interrupts: Set<AbortController>;
  sessionId: string;
}

/**
 * Programs that drive desktops by calls of the API: each access has one login, made at its first call, used by its calls one after another,
 * and ended when none has come for a while. It is counted, audited and revoked as any login.
 */
export class Programs {
  readonly #deps: ProgramsDeps;
  readonly #options: ProgramsOptions;
  readonly #desks = new Map<string, Desk>();
  #isStopped = false;

  constructor(deps: ProgramsDeps, options: ProgramsOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * Lends the access's program for one call. The signal that the call gets is aborted with the failure that ends it: its access or session
   * ends or is paused, its caller leaves. @throws GatewayError
   */
  async use<T>(
    access: AccessRow,
    caller: Caller,
    signal: AbortSignal,
    act: (program: Program, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    await getJoinable(this.#deps, access.session_id);
    const desk = this.#deskOf(access);
    if (desk.waiting >= WAITING_MAX)
      throw new GatewayError(
        'TOO_MANY_REQUESTS',
        `${WAITING_MAX} calls of this access wait already; await their answers`,
      );
    desk.waiting += 1;
    const interrupted = new AbortController();
    desk.interrupts.add(interrupted);
    const within = AbortSignal.any([signal, interrupted.signal]);
    const turn = desk.tail.then(() => this.#call(desk, access, caller, { signal: within, act }));
    desk.tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      desk.interrupts.delete(interrupted);
      desk.waiting -= 1;
      this.#rest(desk, access.id);
    }
  }

  /** Makes sure that the access's program is there, whatever it is at. @throws GatewayError */
  async meet(access: AccessRow, caller: Caller): Promise<Program> {
    await getJoinable(this.#deps, access.session_id);
    const desk = this.#deskOf(access);
    const isNew = desk.program === undefined;
    desk.program ??= this.#open(access, caller, () => (desk.program = undefined));
    let isDriving = false;
    try {
      const program = await desk.program;
      isDriving = program.driver.stand === 'driving';
      return program;
    } finally {
      // Who drives keeps the controls for its next call, and no longer by merely asking how things stand.
      if (isNew || !isDriving) this.#rest(desk, access.id);
    }
  }

  /** What is under way in this session, or waits for that, ends with the failure; the logins stay. */
  interrupt(sessionId: string, failure: GatewayError): void {
    for (const desk of this.#desks.values())
      if (desk.sessionId === sessionId) for (const interrupted of desk.interrupts) interrupted.abort(failure);
  }

  /** The logins are ended by their owner. */
  stop(): void {
    this.#isStopped = true;
    for (const desk of this.#desks.values()) clearTimeout(desk.idle);
    this.#desks.clear();
  }

  /** They are counted as any login. */
  get #kind(): LoginKind {
    return { name: 'login', joins: this.#deps.metrics.joins };
  }

  #deskOf(access: AccessRow): Desk {
    const known = this.#desks.get(access.id);
    if (known) return known;
    const desk: Desk = {
      program: undefined,
      tail: Promise.resolve(),
      waiting: 0,
      idle: undefined,
      interrupts: new Set(),
      sessionId: access.session_id,
    };
    this.#desks.set(access.id, desk);
    return desk;
  }

  async #call<T>(
    desk: Desk,
    access: AccessRow,
    caller: Caller,
    { signal, act }: { signal: AbortSignal; act: (program: Program, signal: AbortSignal) => Promise<T> },
  ): Promise<T> {
    clearTimeout(desk.idle);
    signal.throwIfAborted();
    desk.program ??= this.#open(access, caller, () => (desk.program = undefined));
    const program = await desk.program;
    try {
      this.#deps.leases.renew(access.id);
      return await act(program, AbortSignal.any([signal, program.signal]));
    } finally {
      this.#deps.leases.renew(access.id);
    }
  }

  /** `onEnd` is called before anybody can use it again. */
  async #open(access: AccessRow, caller: Caller, onEnd: () => void): Promise<Program> {
    const { accesses, logins, log } = this.#deps;
    try {
      const claim = { loginId: randomUUID(), client: 'nekogate' } as const;
      const viewer = { address: caller.address };
      const order = { kind: 'signaling', sessionId: access.session_id, login: orderOf(access, claim), viewer } as const;
      const login = logins.reserve(access, { ...claim, order }, caller);
      const ended = new AbortController();
      void login.ended.then((ending) => {
        onEnd();
        ended.abort(failureOf(ending));
        recordEnd(this.#deps.audit, this.#kind, login, ending);
      });
      // A revocation between the call's authorization and the count would otherwise miss this login.
      if (!(await accesses.listValid(access.session_id)).has(access.id))
        login.fail(new GatewayError('ACCESS_REVOKED', 'this access was revoked'));
      const driver = await this.#join(login, log);
      const { session_id: sessionId, label: name } = access;
      const tunnel = new PictureTunnel((signal) => this.#dialPictures(access, AbortSignal.any([signal, login.signal])));
      const sight = new Sight(sessionId, tunnel);
      this.#deps.leases.enter(access.id, { sessionId, name, driver });
      void login.ended.then(() => {
        this.#deps.leases.leave(access.id);
        sight.close();
        return driver[Symbol.asyncDispose]();
      });
      return { login, driver, sight, signal: ended.signal };
    } catch (thrown) {
      onEnd();
      throw thrown;
    }
  }

  /** It needs no login: neko shows its screen to administrators alone, so the agent takes them. */
  async #dialPictures(access: AccessRow, signal: AbortSignal): Promise<WebSocket> {
    const sessionId = access.session_id;
    const { connection } = await getJoinable(this.#deps, sessionId);
    const order = { kind: 'picture', sessionId, login: orderOfPlainClient(access) } as const;
    return await this.#deps.tunnels.open(connection, order, signal);
  }

  async #join(login: Login, log: Logger): Promise<Driver> {
    const given = Promise.withResolvers<WebSocket>();
    void joinAgent(this.#deps, this.#kind, login, (tunnel) => {
      login.use(tunnel);
      given.resolve(tunnel);
    });
    const ended = login.ended.then((ending) => Promise.reject(failureOf(ending)));
    try {
      const tunnel = await Promise.race([given.promise, ended]);
      const seat = await Promise.race([Seat.open(tunnel, log), ended]);
      const sessionId = login.access.session_id;
      const findProgram = (id: string): Holder | undefined => this.#deps.leases.find(sessionId, id);
      return await Driver.open({ seat, path: 'socket', findProgram }, login.signal);
    } catch (thrown) {
      login.end({ by: 'gateway', code: 'CLIENT_LEFT', message: 'the program has no login' });
      throw thrown;
    }
  }

  #rest(desk: Desk, accessId: string): void {
    if (desk.waiting > 0 || this.#isStopped) return;
    clearTimeout(desk.idle);
    desk.idle = setTimeout(() => void this.#leave(desk, accessId), this.#options.idleMs);
  }

  async #leave(desk: Desk, accessId: string): Promise<void> {
    this.#desks.delete(accessId);
    const program = await desk.program?.catch(() => undefined);
    const message = `no call has come for ${this.#options.idleMs} ms`;
    program?.login.end({ by: 'client', code: 'CLIENT_LEFT', message });
  }
}

function failureOf({ code, message }: Ending): GatewayError {
  return isFailureCode(code) ? new GatewayError(code, message) : new GatewayError('INTERNAL', message);
}
