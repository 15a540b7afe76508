import { fitSize, type Size } from '../computer/space.ts';
import { NekogateError, type Action, type Answer, type Desktop } from '../sdk/index.ts';
import { sessionIn, type Scope } from './scope.ts';

/** What models take as it is; a larger picture would be shrunk, and the places in it be wrong. */
const PICTURE_LIMITS = { longEdge: 1568, pixels: 1_150_000 };
/** Calls under way at once; one more is refused with TOO_MANY_REQUESTS. */
const CALLS_MAX = 8;
/** Of an access that is no more; the next call opens another. */
const ENDED = ['ACCESS_EXPIRED', 'ACCESS_REVOKED'];

interface Desk {
  desktop: Desktop & AsyncDisposable;
  space: Size;
}

export type OpenDesktop = (sessionId: string) => Promise<Desktop & AsyncDisposable>;

/** The desktops that an MCP server's tools see and drive: each is opened at its first call and kept until the end. */
export class Desks {
  readonly #open: OpenDesktop;
  readonly #sessions: Set<string> | 'all';
  readonly #desks = new Map<string, Promise<Desk>>();
  #calls = 0;
  #closing: Promise<void> | undefined;

  constructor(open: OpenDesktop, { sessions }: Scope) {
    this.#open = open;
    this.#sessions = sessions === 'all' ? 'all' : new Set(sessions);
  }

  /** The session that a call is for. @throws NekogateError FORBIDDEN | BAD_REQUEST */
  sessionOf(named: string | undefined): string {
    return sessionIn(this.#sessions, named);
  }

  has(sessionId: string): boolean {
    return this.#sessions === 'all' || this.#sessions.has(sessionId);
  }

  /** A session that was started here may be reached from here. */
  admit(sessionId: string): void {
    if (this.#sessions !== 'all') this.#sessions.add(sessionId);
  }

  /** @throws ActionFailed, NekogateError */
  act(named: string | undefined, actions: readonly Action[], signal: AbortSignal): Promise<Answer> {
    return this.#call(named, async ({ desktop, space }, sessionId) => {
      const answer = await desktop.act(actions, { space, signal });
      const screen = answer.results.findLast(({ picture }) => picture)?.picture?.screen;
      // Somebody may have given the screen another size: the next picture has its proportions.
      if (screen) this.#desks.set(sessionId, Promise.resolve({ desktop, space: fitSize(screen, PICTURE_LIMITS) }));
      return answer;
    });
  }

  /** What is done at the desktop beside actions. @throws NekogateError */
  use<T>(named: string | undefined, run: (desktop: Desktop) => Promise<T>): Promise<T> {
    return this.#call(named, ({ desktop }) => run(desktop));
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #call<T>(named: string | undefined, run: (desk: Desk, sessionId: string) => Promise<T>): Promise<T> {
    const sessionId = this.sessionOf(named);
    if (this.#closing) throw new NekogateError('SHUTTING_DOWN', 'this server is ending', { retryable: true });
    if (this.#calls >= CALLS_MAX)
      throw new NekogateError('TOO_MANY_REQUESTS', `${CALLS_MAX} calls are under way; await them`, { retryable: true });
    this.#calls += 1;
    try {
      return await run(await this.#deskOf(sessionId), sessionId);
    } catch (thrown) {
      if (thrown instanceof NekogateError && ENDED.includes(thrown.code)) this.#desks.delete(sessionId);
      throw thrown;
    } finally {
      this.#calls -= 1;
    }
  }

  #deskOf(sessionId: string): Promise<Desk> {
    const known = this.#desks.get(sessionId);
    if (known) return known;
    const opening = this.#openDesk(sessionId);
    this.#desks.set(sessionId, opening);
    opening.catch(() => this.#desks.delete(sessionId));
    return opening;
  }

  async #openDesk(sessionId: string): Promise<Desk> {
    await using owned = new AsyncDisposableStack();
    const desktop = owned.use(await this.#open(sessionId));
    const { space: screen } = await desktop.act([{ type: 'wait', ms: 0 }]);
    owned.move();
    return { desktop, space: fitSize(screen, PICTURE_LIMITS) };
  }

  async #close(): Promise<void> {
    const closing = [...this.#desks.values()].map(async (desk) => (await desk).desktop[Symbol.asyncDispose]());
    this.#desks.clear();
    // One that was never opened, or whose gateway is gone, ends with its access's time.
    await Promise.allSettled(closing);
  }
}
