import { RTCPeerConnection, type RTCDataChannel } from 'werift';
import { GatewayError } from '../errors.ts';
import { decodeOutput, encodeInput, type InputEvent, type OutputEvent } from '../input/data-channel.ts';
import type { InputPath } from './input-path.ts';
import type { Seat } from './seat.ts';
import type { Point } from './space.ts';

/** WebRTC to a desktop in reach is there within half a second; what takes longer is a network that lets no UDP through. */
const OPEN_MS = 5000;
/** How long the streamer may take to do what was sent. */
const PONG_MS = 10_000;

/**
 * Input over neko's data channel, straight to the desktop by WebRTC, with no picture and no sound. The channel is in order and
 * neko handles it inline, so that a pong says that all input before the ping was done.
 */
export class ChannelInput implements InputPath {
  readonly #seat: Seat;
  readonly #connection: RTCPeerConnection;
  readonly #pongs = new Map<number, () => void>();
  readonly #opened = Promise.withResolvers<void>();
  readonly #placed = Promise.withResolvers<Point>();
  readonly #lost = Promise.withResolvers<never>();
  #channel: RTCDataChannel | undefined;
  #pings = 0;

  /** @throws GatewayError NEKO_UNREACHABLE when the desktop's UDP can't be reached | why the login ended */
  static async open(seat: Seat, signal: AbortSignal): Promise<ChannelInput> {
    await using opening = new AsyncDisposableStack();
    const input = opening.use(new ChannelInput(seat));
    seat.send('signal/request', { video: { disabled: true }, audio: { disabled: true } });
    await input.#within(OPEN_MS, 'open', input.#opened.promise, signal);
    opening.move();
    return input;
  }

  private constructor(seat: Seat) {
    this.#seat = seat;
    this.#lost.promise.catch(() => undefined);
    this.#connection = new RTCPeerConnection({ iceServers: [], bundlePolicy: 'max-bundle' });
    this.#connection.onDataChannel.subscribe((channel) => this.#take(channel));
    this.#connection.connectionStateChange.subscribe((state) => {
      if (state === 'failed' || state === 'closed') this.#lost.reject(unreachable(`its connection is ${state}`));
    });
    this.#followSignals();
  }

  /** Where the pointer was when the channel was opened; who drives is told nothing. @throws GatewayError NEKO_UNREACHABLE | why the login ended; the signal's reason */
  async findPointer(signal: AbortSignal): Promise<Point> {
    return await this.#within(OPEN_MS, 'say where the pointer is', this.#placed.promise, signal);
  }

  async perform(events: readonly InputEvent[], signal: AbortSignal): Promise<void> {
    for (const event of events) this.#send(event);
    const clientMs = (this.#pings += 1);
    const answered = Promise.withResolvers<void>();
    this.#pongs.set(clientMs, answered.resolve);
    this.#send({ type: 'ping', clientMs });
    try {
      await this.#within(PONG_MS, 'answer', answered.promise, signal);
    } finally {
      this.#pongs.delete(clientMs);
    }
    // neko drops input of who doesn't drive without a word; whether that was so, its socket tells.
    await this.#seat.fence(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#seat.onSignal = () => undefined;
    await this.#connection.close();
  }

  #take(channel: RTCDataChannel): void {
    this.#channel = channel;
    channel.onMessage.subscribe((data) => {
      if (typeof data === 'string') return;
      // The streamer's first words: from now on it hears us too.
      this.#opened.resolve();
      this.#handle(decodeOutput(data));
    });
  }

  #handle(event: OutputEvent): void {
    if (event.type === 'pong') this.#pongs.get(event.clientMs)?.();
    if (event.type === 'cursor-position') this.#placed.resolve({ x: event.x, y: event.y });
  }

  #send(event: InputEvent): void {
    this.#channel?.send(Buffer.from(encodeInput(event).buffer));
  }

  #followSignals(): void {
    // neko's candidates come before its offer.
    const candidates: { candidate: string; sdpMid?: string }[] = [];
    let hasOffer = false;
    this.#seat.onSignal = (message) => {
      const answer = async (): Promise<void> => {
        if (message.event === 'signal/close') this.#lost.reject(unreachable('the streamer closed it'));
        if (message.event === 'signal/candidate') {
          const { candidate, sdpMid } = message.payload;
          const one = { candidate, ...(typeof sdpMid === 'string' ? { sdpMid } : {}) };
          if (hasOffer) await this.#connection.addIceCandidate(one);
          else candidates.push(one);
        }
        if (message.event !== 'signal/provide') return;
        await this.#connection.setRemoteDescription({ type: 'offer', sdp: message.payload.sdp });
        await this.#connection.setLocalDescription(await this.#connection.createAnswer());
        this.#seat.send('signal/answer', { sdp: this.#connection.localDescription?.sdp ?? '' });
        hasOffer = true;
        for (const one of candidates.splice(0)) await this.#connection.addIceCandidate(one);
      };
      answer().catch((cause: unknown) => this.#lost.reject(unreachable('its offer could not be answered', cause)));
    };
  }

  async #within<T>(ms: number, what: string, done: Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const limit = Promise.withResolvers<never>();
    const timer = setTimeout(() => limit.reject(unreachable(`it did not ${what} within ${ms} ms`)), ms);
    const onAbort = (): void => limit.reject(signal.reason);
    signal.addEventListener('abort', onAbort);
    try {
      const ended = this.#seat.closed.then((failure) => Promise.reject(failure));
      return await Promise.race([done, limit.promise, this.#lost.promise, ended]);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }
}

function unreachable(why: string, cause?: unknown): GatewayError {
  return new GatewayError('NEKO_UNREACHABLE', `the desktop's data channel can't be used: ${why}`, { cause });
}
