// Who is in the session and who drives it, as the streamer tells it. State only: the desktop client does the talking.
import type { Incoming, Member, Program, Rights, Settings } from './messages.ts';

/** Who has control of the desktop, seen from this viewer. */
export type Control =
  | { readonly holder: 'unknown' }
  | { readonly holder: 'nobody' }
  | { readonly holder: 'me' }
  | { readonly holder: 'other'; readonly id: string; readonly name: string };

/** Names at neko differ by the start of the login's id, which the agent adds. */
const LOGIN_MARK = /-[0-9a-f]{8}$/;
const NO_RIGHTS: Rights = {
  canWatch: false,
  canHost: false,
  canAccessClipboard: false,
  canShareMedia: false,
  canResize: false,
};

export class Room {
  #me: string | undefined;
  #hostId: string | undefined;
  #settings: Settings = { lockedControls: false, implicitHosting: false };
  #programs: readonly Program[] = [];
  readonly #members = new Map<string, Member>();

  get control(): Control {
    if (this.#me === undefined) return { holder: 'unknown' };
    if (this.#hostId === undefined) return { holder: 'nobody' };
    return this.#hostId === this.#me
      ? { holder: 'me' }
      : { holder: 'other', id: this.#hostId, name: this.nameOf(this.#hostId) };
  }

  /** The program that drives, or that waits for this viewer to hand the controls back. */
  get program(): Program | undefined {
    const { holder } = this.control;
    if (holder === 'me') return this.#programs.find(({ isDriving }) => !isDriving);
    return holder === 'other' ? this.#programs.find(({ id }) => id === this.#hostId) : undefined;
  }

  /** What this login may do: the role decides, and the streamer tells it in the profile. */
  get rights(): Rights {
    return this.#member?.rights ?? NO_RIGHTS;
  }

  /** Whether the streamer counts this login as watching, which outlives a lost WebSocket. */
  get isWatching(): boolean {
    return this.#member?.isWatching ?? false;
  }

  /** Whether a request takes control at once. */
  get isFree(): boolean {
    if (!this.rights.canHost || this.#settings.lockedControls) return false;
    return this.#hostId === undefined || this.#settings.implicitHosting;
  }

  get sessionId(): string | undefined {
    return this.#me;
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  nameOf(id: string): string {
    return this.#members.get(id)?.name.replace(LOGIN_MARK, '') ?? 'Somebody else';
  }

  /** Takes in a message; the messages that are not about the room change nothing. */
  apply(message: Incoming): void {
    switch (message.event) {
      case 'system/init': {
        const { sessionId, hostId, members, settings } = message.payload;
        this.#me = sessionId;
        this.#hostId = hostId;
        this.#settings = settings;
        this.#members.clear();
        for (const member of members) this.#members.set(member.id, member);
        break;
      }
      case 'system/settings':
        this.#settings = message.payload;
        break;
      case 'session/created':
        this.#members.set(message.payload.id, message.payload);
        break;
      case 'session/deleted':
        this.#members.delete(message.payload.id);
        break;
      case 'session/profile': {
        const member = this.#members.get(message.payload.id);
        if (member !== undefined) this.#members.set(member.id, { ...member, ...message.payload });
        break;
      }
      case 'control/host':
        this.#hostId = message.payload.hostId;
        break;
      case 'gateway/lease':
        this.#programs = message.payload.programs;
        break;
      case 'clipboard/updated':
      case 'control/request':
      case 'gateway/error':
      case 'gateway/login':
      case 'gateway/session':
      case 'screen/updated':
      case 'send/unicast':
      case 'signal/answer':
      case 'signal/candidate':
      case 'signal/close':
      case 'signal/offer':
      case 'signal/provide':
      case 'signal/restart':
      case 'signal/video':
      case 'system/disconnect':
      case 'system/heartbeat':
        break;
      default:
        throw new Error(`unreachable: ${JSON.stringify(message satisfies never)}`);
    }
  }

  /** Control was let go of here. */
  release(): void {
    this.#hostId = undefined;
  }

  /** The gateway tells a new connection what there is. */
  forgetPrograms(): void {
    this.#programs = [];
  }

  /** Nothing is known any more; names are kept. */
  forgetControl(): void {
    this.#me = undefined;
    this.#hostId = undefined;
  }

  get #member(): Member | undefined {
    return this.#me === undefined ? undefined : this.#members.get(this.#me);
  }
}
