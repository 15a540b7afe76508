import { GatewayError } from '../../errors.ts';
import { decodeFromServer } from '../../signaling/messages.ts';
import type { FrameFilter } from '../logins/pipe.ts';

/** Whoever else waits for free controls goes first: programs that hand back and forth, people who ask. */
const OTHERS_FIRST_MS = 250;

/** Requests in vain that one stream may make; one more ends it with TOO_MANY_MESSAGES. sandbox-agent's client makes one. */
const VAIN_MAX = 1000;

const WATCHED = /^\{"event":"(?:system\/init|control\/host)"/;
const OURS = '{"event":"gateway/';

export interface StreamControlsOptions {
  mayDrive: boolean;
  toDesktop: (frame: string) => void;
  toClient: (frame: string) => void;
  onFailure: (failure: GatewayError) => void;
}

/**
 * The controls of one who streams by sandbox-agent's client. That asks for them once, as it comes in, and never again, so that it is given them
 * whenever they are free; while they are somebody else's its word takes nothing from them, and it is told who has them.
 */
export class StreamControls implements FrameFilter {
  readonly #options: StreamControlsOptions;
  #id: string | undefined;
  #hostId: string | undefined;
  #isWanting = false;
  #isLending = false;
  #hasEnded = false;
  #vain = 0;
  #asking: NodeJS.Timeout | undefined;
  #onHost: () => void = () => undefined;

  constructor(options: StreamControlsOptions) {
    this.#options = options;
  }

  /** Whether it has the controls, or is to have them when they are free. */
  get isWanting(): boolean {
    return this.#isWanting && !this.#hasEnded;
  }

  passesToDesktop(frame: string): boolean {
    const event = eventOf(frame);
    if (event === 'control/release') this.#isWanting = false;
    if (event !== 'control/request') return true;
    this.#isWanting = this.#options.mayDrive;
    if (this.#isWanting && this.#hostId === undefined) return true;
    this.#vain += 1;
    if (this.#vain <= VAIN_MAX) this.#options.toClient(hostFrame(this.#hostId));
    else
      this.#options.onFailure(new GatewayError('TOO_MANY_MESSAGES', `more than ${VAIN_MAX} requests for the controls`));
    return false;
  }

  passesToClient(frame: string): boolean {
    if (frame.startsWith(OURS)) return false;
    if (WATCHED.test(frame)) this.#follow(frame);
    return true;
  }

  /** Lets go of the controls for who acts with the same token; resolves once they are not its own, until `takeBack`. */
  async lend(signal: AbortSignal): Promise<void> {
    this.#isLending = true;
    if (this.#hostId === undefined || this.#hostId !== this.#id) return;
    const gone = Promise.withResolvers<void>();
    const onAbort = (): void => gone.reject(signal.reason);
    this.#onHost = gone.resolve;
    signal.addEventListener('abort', onAbort);
    this.#options.toDesktop(JSON.stringify({ event: 'control/release' }));
    try {
      signal.throwIfAborted();
      await gone.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  takeBack(): void {
    this.#isLending = false;
    this.#ask();
  }

  end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#asking);
    this.#onHost();
  }

  #follow(frame: string): void {
    try {
      const message = decodeFromServer(frame);
      if (message.event === 'system/init') {
        this.#id = message.payload.session_id;
        this.#setHost(message.payload.control_host);
      }
      if (message.event === 'control/host') this.#setHost(message.payload);
    } catch (thrown) {
      // One that nobody here can read is its client's to make something of.
      if (!(thrown instanceof GatewayError)) throw thrown;
    }
  }

  #setHost({ has_host: hasHost, host_id: hostId }: { has_host: boolean; host_id?: string | undefined }): void {
    this.#hostId = hasHost ? hostId : undefined;
    clearTimeout(this.#asking);
    if (this.#hostId !== this.#id) this.#onHost();
    if (this.#hostId === undefined && this.#isWanting && !this.#isLending)
      this.#asking = setTimeout(() => this.#ask(), OTHERS_FIRST_MS);
  }

  #ask(): void {
    if (!this.isWanting || this.#isLending || this.#hostId !== undefined) return;
    this.#options.toDesktop(JSON.stringify({ event: 'control/request' }));
  }
}

/** neko's own words on who has the controls. */
function hostFrame(hostId: string | undefined): string {
  const payload = {
    id: hostId ?? '',
    has_host: hostId !== undefined,
    ...(hostId !== undefined && { host_id: hostId }),
  };
  return JSON.stringify({ event: 'control/host', payload });
}

function eventOf(frame: string): unknown {
  try {
    const message: unknown = JSON.parse(frame);
    return typeof message === 'object' && message !== null && 'event' in message ? message.event : undefined;
  } catch {
    return undefined;
  }
}
