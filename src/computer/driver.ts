import { GatewayError } from '../errors.ts';
import type { InputEvent } from '../input/data-channel.ts';
import { ChannelInput } from './channel-input.ts';
import { SocketInput, type InputPath } from './input-path.ts';
import type { Seat } from './seat.ts';
import type { Point, Size } from './space.ts';

/** Events after which a long input looks whether it still drives. */
const CHUNK_EVENTS = 48;

export interface DriverOptions {
  seat: Seat;
  /** How input goes; the socket reaches every session, the channel is straight. */
  path: 'socket' | 'channel';
}

/** A program at a desktop: takes the controls before it acts, knows when each input was executed, and gives way to who asks for them. */
export class Driver implements AsyncDisposable {
  readonly #seat: Seat;
  readonly #input: InputPath;
  #pointer: { at: Point; hostChanges: number } | undefined;
  #wasAsked = false;

  /** Owns the seat once it resolves. */
  static async open({ seat, path }: DriverOptions, signal: AbortSignal): Promise<Driver> {
    return new Driver(seat, path === 'channel' ? await ChannelInput.open(seat, signal) : new SocketInput(seat));
  }

  private constructor(seat: Seat, input: InputPath) {
    this.#seat = seat;
    this.#input = input;
    // Somebody who asks gets the controls: a program's next action is refused instead.
    seat.onAsked = () => {
      this.#wasAsked = true;
      seat.send('control/release');
    };
  }

  get closed(): Promise<GatewayError> {
    return this.#seat.closed;
  }

  get screen(): Size {
    return this.#seat.screen;
  }

  /** Resolves once it drives; at once when it does. @throws GatewayError CONTROL_TAKEN | FORBIDDEN */
  async takeControls(signal: AbortSignal): Promise<void> {
    const seat = this.#seat;
    if (seat.isDriving) return;
    // They may have let go a moment ago.
    if (seat.otherDriver !== undefined) await seat.fence(signal);
    this.#refuseIfTaken();
    this.#wasAsked = false;
    seat.send('control/request');
    await seat.fence(signal);
    if (seat.isDriving) return;
    this.#refuseIfTaken();
    if (seat.areControlsLocked)
      throw new GatewayError('FORBIDDEN', "the controls are locked by the session's owner; nobody else may drive now");
    throw new GatewayError('FORBIDDEN', 'the streamer gave no controls to this login');
  }

  /**
   * Resolves once all of it was executed. @throws GatewayError CONTROL_TAKEN | CONTROL_LOST, when part of it may have been executed |
   * why the login ended; the signal's reason
   */
  async perform(events: readonly InputEvent[], signal: AbortSignal): Promise<void> {
    await this.takeControls(signal);
    const { hostChanges } = this.#seat;
    for (let start = 0; start < events.length; start += CHUNK_EVENTS) {
      await this.#input.perform(events.slice(start, start + CHUNK_EVENTS), signal);
      if (this.#seat.hostChanges !== hostChanges || this.#wasAsked) throw this.#lost();
    }
    const at = events.findLast((event) => event.type === 'move');
    if (at !== undefined) this.#pointer = { at: { x: at.x, y: at.y }, hostChanges };
  }

  /** Where the pointer is, as last moved here, or as the desktop says when somebody else has driven since. */
  async findPointer(signal: AbortSignal): Promise<Point> {
    const known = this.#pointer;
    if (known !== undefined && known.hostChanges === this.#seat.hostChanges && this.#seat.isDriving) return known.at;
    // neko says where it is to who opens a data channel, and then only what the host does (webrtc/manager.go at baf21c1).
    await using asked = await ChannelInput.open(this.#seat, signal);
    return await asked.placed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input[Symbol.asyncDispose]();
    this.#seat.close();
  }

  #refuseIfTaken(): void {
    const { otherDriver } = this.#seat;
    if (otherDriver !== undefined)
      throw new GatewayError('CONTROL_TAKEN', `${otherDriver} drives this desktop; try again when they let go`);
  }

  #lost(): GatewayError {
    const to = this.#seat.otherDriver ?? 'somebody who asked for them';
    return new GatewayError('CONTROL_LOST', `the controls went to ${to} while this was under way`);
  }
}
