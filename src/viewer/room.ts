// Who is in the session and who drives it, as the streamer tells it. State only: the desktop client does the talking.
import type { Incoming, Member, Settings } from './messages.ts';

/** Who has control of the desktop, seen from this viewer. */
export type Control =
  | { readonly holder: 'unknown' }
  | { readonly holder: 'nobody' }
  | { readonly holder: 'me' }
  | { readonly holder: 'other'; readonly name: string };

export class Room {
  #me: string | undefined;
  #hostId: string | undefined;
  #settings: Settings = { lockedControls: false, implicitHosting: false };
  readonly #members = new Map<string, Member>();

  get control(): Control {
    if (this.#me === undefined) return { holder: 'unknown' };
    if (this.#hostId === undefined) return { holder: 'nobody' };
    return this.#hostId === this.#me ? { holder: 'me' } : { holder: 'other', name: this.nameOf(this.#hostId) };
  }

  /** Whether this login may drive at all: the role decides, and the streamer tells it in the profile. */
  get mayControl(): boolean {
    return this.#member?.canHost ?? false;
  }

  get mayWatch(): boolean {
    return this.#member?.canWatch ?? false;
  }

  /** Whether the streamer counts this login as watching, which outlives a lost WebSocket. */
  get isWatching(): boolean {
    return this.#member?.isWatching ?? false;
  }

  /** Whether a request takes control at once. */
  get isFree(): boolean {
    if (!this.mayControl || this.#settings.lockedControls) return false;
    return this.#hostId === undefined || this.#settings.implicitHosting;
  }

  get sessionId(): string | undefined {
    return this.#me;
  }

  nameOf(id: string): string {
    return this.#members.get(id)?.name ?? 'Somebody else';
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
      case 'control/request':
      case 'gateway/error':
      case 'screen/updated':
      case 'signal/candidate':
      case 'signal/close':
      case 'signal/offer':
      case 'signal/provide':
      case 'signal/restart':
      case 'system/disconnect':
      case 'system/heartbeat':
        break;
      default:
        throw new Error(`unreachable: ${JSON.stringify(message satisfies never)}`);
    }
  }

  /** Nothing is known while the signaling is away; names are kept. */
  forgetControl(): void {
    this.#me = undefined;
    this.#hostId = undefined;
  }

  get #member(): Member | undefined {
    return this.#me === undefined ? undefined : this.#members.get(this.#me);
  }
}
