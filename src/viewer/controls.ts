import type { InputEvent } from '../input/data-channel.ts';
import type { Program } from './messages.ts';
import type { Control, Room } from './room.ts';

/** What a person needs to know about control of the desktop. */
export interface ControlStatus {
  readonly control: Control;
  /** False for a login that can only watch, by its role or because this viewer is set to. */
  readonly mayControl: boolean;
  /** Whether this viewer has asked for control and waits. */
  readonly isAsking: boolean;
  /** Who asks for control while this viewer has it. */
  readonly askedBy: string | undefined;
  /** A program: the one that has control, or one that gets it again when this viewer, who took over, lets go. */
  readonly program: Program | undefined;
}

export interface ControlsListener {
  sendRequest(): boolean;
  /** False, as of `sendRequest`, while there is nobody to tell. */
  sendRelease(): boolean;
  /** Tells a login that asked that control stays here. */
  sendKept(id: string): void;
  transmit(event: InputEvent): void;
  changed(): void;
  /** Something that the person should read: input that went nowhere, control that moved. */
  noticed(text: string): void;
}

/** How long input waits for control that was free a moment ago; then it is dropped and said so. */
const CLAIM_TIMEOUT_MS = 2000;
/** Events that wait for control; with more the oldest are kept, so that a press is not lost behind moves. */
const WAITING_MAX = 128;
/** How long a wish to have control from somebody else stands. */
const ASK_TIMEOUT_MS = 60_000;

type Wish = { readonly kind: 'claim' | 'ask'; readonly timer: ReturnType<typeof setTimeout> };

/**
 * The rules of control in front of the streamer's: it ignores input of a login that has no control and never says so, therefore
 * nothing is sent without it, a first press claims it where it is free, and its input waits for the grant.
 */
export class Controls {
  readonly #room: Room;
  readonly #listener: ControlsListener;
  #isViewOnly = false;
  #wish: Wish | undefined;
  #waiting: InputEvent[] = [];
  #askedBy: { readonly id: string; readonly timer: ReturnType<typeof setTimeout> } | undefined;
  #before: Control = { holder: 'unknown' };

  constructor(room: Room, listener: ControlsListener) {
    this.#room = room;
    this.#listener = listener;
  }

  get status(): ControlStatus {
    return {
      control: this.#room.control,
      mayControl: this.#mayControl,
      isAsking: this.#wish !== undefined,
      askedBy: this.#askedBy === undefined ? undefined : this.#room.nameOf(this.#askedBy.id),
      program: this.#room.program,
    };
  }

  /** Whether input is taken now: control is here, or claimed and expected. */
  get takesInput(): boolean {
    return this.#mayControl && (this.isMine || this.#wish?.kind === 'claim');
  }

  get isMine(): boolean {
    return this.#room.control.holder === 'me';
  }

  setViewOnly(isViewOnly: boolean): void {
    if (this.#isViewOnly === isViewOnly) return;
    this.#isViewOnly = isViewOnly;
    if (isViewOnly) this.release();
    this.#listener.changed();
  }

  /** A press on the desktop: true when input may follow. Says why where it may not. */
  claim(): boolean {
    if (this.takesInput) return true;
    const { control } = this.#room;
    if (!this.#mayControl) this.#listener.noticed('You are watching. This access cannot control the desktop.');
    else if (control.holder === 'unknown') this.#listener.noticed('Not connected: the desktop did not get that.');
    else if (this.#room.isFree) return this.#wishFor('claim', CLAIM_TIMEOUT_MS);
    else if (control.holder === 'other') {
      const way = this.#room.program === undefined ? 'has control. Ask for it' : 'is driving. Take over';
      this.#listener.noticed(`${control.name} ${way} in the bar below.`);
    } else this.#listener.noticed('Control is locked by whoever manages this session.');
    return false;
  }

  /** Asks for control, at once where it is free; else its holder is asked, and it is taken as soon as they let go. */
  request(): void {
    if (this.#mayControl && !this.isMine) this.#wishFor(this.#room.isFree ? 'claim' : 'ask', ASK_TIMEOUT_MS);
  }

  release(): void {
    this.#forgetWish();
    if (!this.isMine) this.#listener.changed();
    else if (!this.#listener.sendRelease())
      this.#listener.noticed('The connection is being restored: release control when it is back.');
    else {
      // Known before the streamer says so: what is pressed now asks for control again, rather than going nowhere.
      this.#room.release();
      this.update();
    }
  }

  /** Keeps control although somebody asked for it, who is told. */
  keep(): void {
    if (this.#askedBy !== undefined) this.#listener.sendKept(this.#askedBy.id);
    this.#forgetAsking();
    this.#listener.changed();
  }

  /** The holder, `id`, keeps control although this viewer asked for it. */
  refused(id: string): void {
    const { control } = this.#room;
    if (this.#wish?.kind !== 'ask' || control.holder !== 'other' || control.id !== id) return;
    this.#refuse(`${control.name} keeps control.`);
  }

  send(event: InputEvent): void {
    if (!this.takesInput) return;
    if (this.isMine) this.#listener.transmit(event);
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(event);
  }

  /** The room changed: control may have come, gone, or become free. */
  update(): void {
    const { control } = this.#room;
    const before = this.#before;
    this.#before = control;
    const hasAskerLeft = this.#askedBy !== undefined && !this.#room.has(this.#askedBy.id);
    if (control.holder !== 'me' || hasAskerLeft) this.#forgetAsking();
    if (control.holder === 'me') this.#granted();
    else if (control.holder === 'other' && before.holder === 'me')
      this.#listener.noticed(`${control.name} took control.`);
    else if (control.holder === 'other' && this.#wish?.kind === 'claim')
      this.#refuse(`${control.name} was faster and has control.`);
    else if (control.holder === 'nobody' && this.#wish?.kind === 'ask') this.#listener.sendRequest();
    this.#listener.changed();
  }

  /** Another login asks this one for control. */
  asked(id: string): void {
    this.#forgetAsking();
    const forget = (): void => {
      this.#forgetAsking();
      this.#listener.changed();
    };
    this.#askedBy = { id, timer: setTimeout(forget, ASK_TIMEOUT_MS) };
    this.#listener.changed();
  }

  /** Signaling is away: wishes end, and input that waits is dropped. Control that is here stays, over the data channel. */
  suspend(): void {
    this.#forgetAsking();
    if (this.#waiting.length > 0) this.#listener.noticed('The connection was lost: the desktop did not get that.');
    this.#forgetWish();
    this.update();
  }

  get #mayControl(): boolean {
    return this.#room.rights.canHost && !this.#isViewOnly;
  }

  #wishFor(kind: Wish['kind'], timeoutMs: number): boolean {
    if (!this.#listener.sendRequest()) {
      this.#listener.noticed('Not connected: the desktop did not get that.');
      return false;
    }
    this.#forgetWish();
    const timer = setTimeout(() => this.#refuse('Control was not granted.'), timeoutMs);
    this.#wish = { kind, timer };
    this.#listener.changed();
    return true;
  }

  #granted(): void {
    const waiting = this.#waiting;
    this.#forgetWish();
    for (const event of waiting) this.#listener.transmit(event);
  }

  #refuse(text: string): void {
    this.#forgetWish();
    this.#listener.noticed(text);
    this.#listener.changed();
  }

  #forgetAsking(): void {
    clearTimeout(this.#askedBy?.timer);
    this.#askedBy = undefined;
  }

  #forgetWish(): void {
    clearTimeout(this.#wish?.timer);
    this.#wish = undefined;
    this.#waiting = [];
  }
}
