import { GatewayError } from '../errors.ts';
import type { InputEvent } from '../input/data-channel.ts';
import { ChannelInput } from './channel-input.ts';
import { SocketInput, type InputPath } from './input-path.ts';
import { ControlRefusal, type Holder } from './holder.ts';
import type { Seat } from './seat.ts';
import type { Point, Size } from './space.ts';

/** Events after which a long input looks whether it still drives. */
const CHUNK_EVENTS = 48;
/** How long the controls are left to who asked for them; who hasn't taken them by then doesn't want them any more. */
const TAKE_OVER_MS = 5000;

export interface DriverOptions {
  seat: Seat;
  /** How input goes; the socket reaches every session, the channel is straight. */
  path: 'socket' | 'channel';
  /** What is known of a login, by neko's name of it, that is a program's. */
  findProgram?: (id: string) => Holder | undefined;
}

/** Who the controls were left to, and goes on having them. */
interface TakenOver {
  by: string;
  /** While they have yet to take them. */
  timer: NodeJS.Timeout | undefined;
}

/**
 * A program at a desktop: takes the controls before it acts, knows when each input was executed, and leaves them to who asks for
 * them, until these let go; then it has them again.
 */
export class Driver implements AsyncDisposable {
  readonly #seat: Seat;
  readonly #input: InputPath;
  #pointer: { at: Point; hostChanges: number } | undefined;
  /** Keys and buttons that are down; the streamer lets go of them with the controls. */
  readonly #held = new Set<string>();
  #takenOver: TakenOver | undefined;
  readonly #findProgram: (id: string) => Holder | undefined;
  #wasDriving = false;
  /** It has the controls, or has them no more, or has left them to somebody. */
  onChange: () => void = () => undefined;

  /** Owns the seat once it resolves. */
  static async open(options: DriverOptions, signal: AbortSignal): Promise<Driver> {
    const { seat, path } = options;
    return new Driver(options, path === 'channel' ? await ChannelInput.open(seat, signal) : new SocketInput(seat));
  }

  private constructor({ seat, findProgram }: DriverOptions, input: InputPath) {
    this.#seat = seat;
    this.#input = input;
    this.#findProgram = findProgram ?? (() => undefined);
    seat.onAsked = (id) => this.#leaveTo(id);
    seat.onHostChange = () => this.#follow();
  }

  get closed(): Promise<GatewayError> {
    return this.#seat.closed;
  }

  get screen(): Size {
    return this.#seat.screen;
  }

  /** neko's name of its login. */
  get id(): string {
    return this.#seat.id;
  }

  /** Whether it has the controls, or gets them again when who took them over lets go. */
  get stand(): 'driving' | 'waiting' | 'idle' {
    if (this.#takenOver) return 'waiting';
    return this.#seat.isDriving ? 'driving' : 'idle';
  }

  /** Who else has the controls, or is about to take them. */
  get otherHolder(): Holder | undefined {
    const id = this.#takenOver?.by ?? (this.#seat.isDriving ? undefined : this.#seat.hostId);
    if (id === undefined) return undefined;
    return this.#findProgram(id) ?? { kind: 'person', name: this.#seat.nameOf(id), until: null };
  }

  /** Resolves once it drives; at once when it does. @throws GatewayError CONTROL_TAKEN, a ControlRefusal | FORBIDDEN */
  async takeControls(signal: AbortSignal): Promise<void> {
    const seat = this.#seat;
    if (this.stand === 'driving') return;
    // They may have let go a moment ago.
    if (this.otherHolder !== undefined) await seat.fence(signal);
    this.#refuseIfTaken();
    seat.send('control/request');
    await seat.fence(signal);
    if (seat.isDriving) return;
    this.#refuseIfTaken();
    if (seat.areControlsLocked)
      throw new GatewayError('FORBIDDEN', "the controls are locked by the session's owner; nobody else may drive now");
    throw new GatewayError('FORBIDDEN', 'the streamer gave no controls to this login');
  }

  /** Lets go of the controls, and of getting them again. */
  async release(signal: AbortSignal): Promise<void> {
    this.#forgetTakenOver();
    if (this.#seat.isDriving) this.#seat.send('control/release');
    await this.#seat.fence(signal);
    this.onChange();
  }

  /**
   * Resolves once all of it was executed. @throws GatewayError CONTROL_TAKEN | CONTROL_LOST, when part of it may have been executed |
   * why the login ended; the signal's reason
   */
  async perform(events: readonly InputEvent[], signal: AbortSignal): Promise<void> {
    await this.takeControls(signal);
    const { hostChanges } = this.#seat;
    for (let start = 0; start < events.length; start += CHUNK_EVENTS) {
      const piece = events.slice(start, start + CHUNK_EVENTS);
      this.#hold(piece);
      await this.#input.perform(piece, signal);
      if (this.#seat.hostChanges !== hostChanges || this.#takenOver) throw this.#lost();
    }
    const at = events.findLast((event) => event.type === 'move');
    if (at !== undefined) this.#pointer = { at: { x: at.x, y: at.y }, hostChanges };
  }

  /**
   * Where the pointer is, as last moved here, or as the desktop says when somebody else has driven since.
   * @throws GatewayError CONFLICT while it can't be asked without letting go of what is held down
   */
  async findPointer(signal: AbortSignal): Promise<Point> {
    const seat = this.#seat;
    if (!seat.isDriving) return await this.#askPointer(signal);
    const known = this.#pointer;
    if (known !== undefined && known.hostChanges === seat.hostChanges) return known.at;
    // The streamer tells it to all but who drives.
    if (this.#held.size > 0)
      throw new GatewayError('CONFLICT', 'where the pointer is can be asked once nothing is held down; or move it');
    const { hostChanges } = seat;
    await this.release(signal);
    let at: Point;
    try {
      at = await this.#askPointer(signal);
    } finally {
      // Who has taken the controls meanwhile keeps them.
      await this.takeControls(signal).catch(() => undefined);
    }
    if (seat.isDriving && seat.hostChanges === hostChanges + 2) this.#pointer = { at, hostChanges: seat.hostChanges };
    return at;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forgetTakenOver();
    await this.#input[Symbol.asyncDispose]();
    this.#seat.close();
  }

  /** neko says where it is to who opens a data channel, and then only what the host does (webrtc/manager.go and peer.go at baf21c1). */
  async #askPointer(signal: AbortSignal): Promise<Point> {
    await using asked = await ChannelInput.open(this.#seat, signal);
    return await asked.findPointer(signal);
  }

  #hold(events: readonly InputEvent[]): void {
    for (const event of events) {
      if (event.type !== 'key' && event.type !== 'button') continue;
      const what = event.type === 'key' ? `key ${event.keysym}` : `button ${event.button}`;
      if (event.down) this.#held.add(what);
      else this.#held.delete(what);
    }
  }

  #refuseIfTaken(): void {
    const { otherHolder } = this;
    if (otherHolder === undefined) return;
    const message = `${otherHolder.name} drives this desktop; try again when they let go`;
    throw new ControlRefusal('CONTROL_TAKEN', message, otherHolder);
  }

  #lost(): GatewayError {
    const { otherHolder } = this;
    const message = `the controls went to ${otherHolder?.name ?? 'nobody'} while this was under way`;
    return new ControlRefusal('CONTROL_LOST', message, otherHolder);
  }

  #leaveTo(id: string): void {
    // Of two programs that took free controls at once, the later one's request asks the other; only people take over.
    if (this.stand !== 'driving' || this.#findProgram(id)) return;
    const forget = (): void => {
      this.#takenOver = undefined;
      this.onChange();
    };
    this.#takenOver = { by: id, timer: setTimeout(forget, TAKE_OVER_MS) };
    this.#wasDriving = false;
    this.#seat.send('control/release');
    this.onChange();
  }

  /** Whoever has the controls after it, also by an owner's word, has taken them over; when nobody has them, they are handed back. */
  #follow(): void {
    const { hostId, isDriving } = this.#seat;
    if (isDriving) this.#forgetTakenOver();
    else if (hostId !== undefined && (this.#takenOver || this.#wasDriving)) {
      this.#forgetTakenOver();
      this.#takenOver = { by: hostId, timer: undefined };
    } else if (hostId === undefined && this.#takenOver && this.#takenOver.timer === undefined) {
      this.#takenOver = undefined;
      this.#seat.send('control/request');
    }
    if (!isDriving) this.#held.clear();
    this.#wasDriving = isDriving;
    this.onChange();
  }

  #forgetTakenOver(): void {
    clearTimeout(this.#takenOver?.timer);
    this.#takenOver = undefined;
  }
}
