import { z } from 'zod';
import { Session } from '../protocol/api.ts';
import type { SessionState, SpecChoice } from '../protocol/session.ts';
import { NekogateError } from './errors.ts';
import type { CallApi, CallOptions } from './http.ts';

/** The gateway answers `wait=ready` after two minutes at the latest. */
const WAIT_READY_MS = 150_000;
const POLL_MS = 500;

const Page = z.object({ sessions: z.array(Session), nextCursor: z.string().optional() });
export type SessionPage = z.infer<typeof Page>;

/** What to start; with `template`, the template says what is left out. */
export type SessionOrder = z.input<typeof SpecChoice> & { agentId?: string; template?: string };

/** Resolves once it is under way; with `wait`, once it is where it was sent, has failed, or two minutes are over. */
export interface StartOptions extends CallOptions {
  wait?: boolean;
}

export interface ListOptions extends CallOptions {
  state?: SessionState;
  /** At most 200. */
  limit?: number;
  /** The page before's `nextCursor`. */
  cursor?: string;
}

/** Sessions of a gateway; all of it needs the administrator's token. */
export interface Sessions {
  create(order?: SessionOrder, options?: StartOptions): Promise<Session>;
  get(sessionId: string, options?: CallOptions): Promise<Session>;
  /** One page, newest first. */
  list(options?: ListOptions): Promise<SessionPage>;
  /** Resolves when the session runs. @throws NekogateError with its reason's code when it ended or failed, TIMEOUT */
  wait(sessionId: string, options?: CallOptions): Promise<Session>;
  stop(sessionId: string, options?: CallOptions): Promise<Session>;
  restart(sessionId: string, options?: StartOptions): Promise<Session>;
  pause(sessionId: string, options?: CallOptions): Promise<Session>;
  resume(sessionId: string, options?: CallOptions): Promise<Session>;
  hibernate(sessionId: string, options?: CallOptions): Promise<Session>;
  wake(sessionId: string, options?: StartOptions): Promise<Session>;
}

export function sessionsOf(callApi: CallApi): Sessions {
  const get = (sessionId: string, options?: CallOptions): Promise<Session> =>
    callApi({ method: 'GET', path: pathOf(sessionId), reply: Session }, options);
  const change =
    (verb: 'stop' | 'restart' | 'pause' | 'resume' | 'hibernate' | 'wake') =>
    (sessionId: string, options: StartOptions = {}): Promise<Session> =>
      callApi(
        { method: 'POST', path: `${pathOf(sessionId)}/${verb}`, query: waitQuery(options), reply: Session },
        patient(options),
      );
  return {
    create: (order = {}, options = {}) =>
      callApi(
        { method: 'POST', path: 'api/v1/sessions', query: waitQuery(options), body: order, reply: Session },
        patient(options),
      ),
    get,
    list: ({ state, limit, cursor, ...options } = {}) =>
      callApi({ method: 'GET', path: 'api/v1/sessions', query: { state, limit, cursor }, reply: Page }, options),
    wait: (sessionId, options = {}) => untilRunning((within) => get(sessionId, within), options),
    stop: change('stop'),
    restart: change('restart'),
    pause: change('pause'),
    resume: change('resume'),
    hibernate: change('hibernate'),
    wake: change('wake'),
  };
}

/** Where a session is in the API. */
export function pathOf(sessionId: string): string {
  return `api/v1/sessions/${partOf(sessionId)}`;
}

/** What a caller says is an id, as one part of a path. @throws NekogateError BAD_REQUEST */
export function partOf(id: string): string {
  // fetch would take a dot or two for a folder.
  if (/^\.{0,2}$/.test(id)) throw new NekogateError('BAD_REQUEST', `"${id}" is no id`);
  return encodeURIComponent(id);
}

function waitQuery({ wait }: StartOptions): { wait?: 'ready' } {
  return wait === true ? { wait: 'ready' } : {};
}

function patient({ signal, timeoutMs = WAIT_READY_MS }: StartOptions): CallOptions {
  return { timeoutMs, ...(signal && { signal }) };
}

async function untilRunning(
  get: (options: CallOptions) => Promise<Session>,
  { signal, timeoutMs = WAIT_READY_MS }: CallOptions,
): Promise<Session> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const within = signal ? AbortSignal.any([signal, timeout]) : timeout;
  try {
    for (;;) {
      const session = await get({ signal: within });
      if (session.state === 'running') return session;
      if (['stopped', 'failed', 'hibernated', 'paused'].includes(session.state)) throw neverRuns(session);
      await pause(POLL_MS, within);
    }
  } catch (thrown) {
    signal?.throwIfAborted();
    if (timeout.aborted)
      throw new NekogateError('TIMEOUT', `the session does not run after ${timeoutMs} ms`, { retryable: true });
    throw thrown;
  }
}

function neverRuns({ id, state, reason }: Session): NekogateError {
  const code = reason?.code ?? (state === 'stopped' ? 'SESSION_ENDED' : 'SESSION_NOT_RUNNING');
  return new NekogateError(code, `session ${id} is ${state}${reason ? `: ${reason.message}` : ''}`);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', leave);
      resolve();
    }, ms);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
  });
}
