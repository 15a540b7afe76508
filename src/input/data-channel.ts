// neko v3's data channel, label `data`: opcode u8, length u16, payload, all big-endian (its legacy handler is little-endian).
// Source: neko's server/internal/webrtc/handler.go and peer.go at baf21c1. No sockets and no state; runs in browsers and Node.
import { GatewayError } from '../errors.ts';

/** What a client sends. Coordinates are desktop pixels; `keysym` is X's; `button` 1 left, 2 middle, 3 right, 4-7 wheel. */
export type InputEvent =
  | { type: 'move'; x: number; y: number }
  /** Wheel steps; positive `deltaY` scrolls up (X button 4), positive `deltaX` is X button 6. */
  | { type: 'scroll'; deltaX: number; deltaY: number; controlKey: boolean }
  | { type: 'key'; down: boolean; keysym: number }
  | { type: 'button'; down: boolean; button: number }
  /** `clientMs` comes back in the pong; the channel is in order, so that pong also says that all input before it was done. */
  | { type: 'ping'; clientMs: number }
  | { type: 'touch'; phase: TouchPhase; touchId: number; x: number; y: number; pressure: number };

export type TouchPhase = 'begin' | 'update' | 'end';

/** What the streamer sends. */
export type OutputEvent =
  | { type: 'cursor-position'; x: number; y: number }
  | { type: 'cursor-image'; width: number; height: number; hotX: number; hotY: number; png: Uint8Array<ArrayBuffer> }
  | { type: 'pong'; clientMs: number; serverMs: number };

/** The largest cursor image that its u16 length field can announce. */
export const CURSOR_PNG_MAX_BYTES = 0xffff - 11;

const HEADER_BYTES = 3;
const U16_MAX = 0xffff;
const U32_MAX = 0xffffffff;

const MOVE = 0x01;
const SCROLL = 0x02;
const KEY_DOWN = 0x03;
const KEY_UP = 0x04;
const BUTTON_DOWN = 0x05;
const BUTTON_UP = 0x06;
const PING = 0x07;
const TOUCH: Record<TouchPhase, number> = { begin: 0x08, update: 0x09, end: 0x0a };

const CURSOR_POSITION = 0x01;
const CURSOR_IMAGE = 0x02;
const PONG = 0x03;

/** One input event as neko reads it. Throws RangeError for a number that its field cannot hold. */
export function encodeInput(event: InputEvent): Uint8Array<ArrayBuffer> {
  switch (event.type) {
    case 'move':
      return frame(MOVE, 4, (to) => to.u16(event.x).u16(event.y));
    case 'scroll':
      return frame(SCROLL, 5, (to) =>
        to
          .i16(event.deltaX)
          .i16(event.deltaY)
          .u8(event.controlKey ? 1 : 0),
      );
    case 'key':
      return frame(event.down ? KEY_DOWN : KEY_UP, 4, (to) => to.u32(event.keysym));
    case 'button':
      return frame(event.down ? BUTTON_DOWN : BUTTON_UP, 4, (to) => to.u32(event.button));
    case 'ping':
      return frame(PING, 8, (to) => to.clock(event.clientMs));
    case 'touch':
      return frame(TOUCH[event.phase], 13, (to) => to.u32(event.touchId).i32(event.x).i32(event.y).u8(event.pressure));
    default:
      throw new Error(`unreachable: ${JSON.stringify(event satisfies never)}`);
  }
}

/**
 * Reads one input event as neko does: the length field matters only to tell the old scroll (4, no control key) from the
 * new one, and bytes after the payload are ignored. Throws GatewayError BAD_FRAME when it is short or of no known opcode.
 */
export function decodeInput(bytes: Uint8Array): InputEvent {
  const from = new FieldReader(bytes);
  const opcode = from.u8();
  const length = from.u16();
  switch (opcode) {
    case MOVE:
      return { type: 'move', x: from.u16(), y: from.u16() };
    case SCROLL:
      return { type: 'scroll', deltaX: from.i16(), deltaY: from.i16(), controlKey: length !== 4 && from.u8() !== 0 };
    case KEY_DOWN:
    case KEY_UP:
      return { type: 'key', down: opcode === KEY_DOWN, keysym: from.u32() };
    case BUTTON_DOWN:
    case BUTTON_UP:
      return { type: 'button', down: opcode === BUTTON_DOWN, button: from.u32() };
    case PING:
      return { type: 'ping', clientMs: from.clock() };
    case TOUCH.begin:
      return touch('begin', from);
    case TOUCH.update:
      return touch('update', from);
    case TOUCH.end:
      return touch('end', from);
    default:
      throw new GatewayError('BAD_FRAME', `a data-channel message of unknown opcode ${opcode}`);
  }
}

/** One output event as neko writes it: its length field counts the 3 header bytes too, unlike a client's. */
export function encodeOutput(event: OutputEvent): Uint8Array<ArrayBuffer> {
  switch (event.type) {
    case 'cursor-position':
      return frame(CURSOR_POSITION, 4, (to) => to.u16(event.x).u16(event.y), HEADER_BYTES);
    case 'cursor-image':
      return frame(
        CURSOR_IMAGE,
        8 + event.png.length,
        (to) => to.u16(event.width).u16(event.height).u16(event.hotX).u16(event.hotY).bytes(event.png),
        HEADER_BYTES,
      );
    case 'pong':
      return frame(PONG, 16, (to) => to.clock(event.clientMs).clock(event.serverMs), HEADER_BYTES);
    default:
      throw new Error(`unreachable: ${JSON.stringify(event satisfies never)}`);
  }
}

/** Reads one output event; the PNG is a copy. Throws GatewayError BAD_FRAME when it is short or of no known opcode. */
export function decodeOutput(bytes: Uint8Array): OutputEvent {
  const from = new FieldReader(bytes);
  const opcode = from.u8();
  from.u16();
  switch (opcode) {
    case CURSOR_POSITION:
      return { type: 'cursor-position', x: from.u16(), y: from.u16() };
    case CURSOR_IMAGE:
      return {
        type: 'cursor-image',
        width: from.u16(),
        height: from.u16(),
        hotX: from.u16(),
        hotY: from.u16(),
        png: from.rest(),
      };
    case PONG:
      return { type: 'pong', clientMs: from.clock(), serverMs: from.clock() };
    default:
      throw new GatewayError('BAD_FRAME', `a data-channel message of unknown opcode ${opcode}`);
  }
}

function touch(phase: TouchPhase, from: FieldReader): InputEvent {
  return { type: 'touch', phase, touchId: from.u32(), x: from.i32(), y: from.i32(), pressure: from.u8() };
}

function frame(
  opcode: number,
  payloadBytes: number,
  write: (to: FieldWriter) => unknown,
  countedHeader = 0,
): Uint8Array<ArrayBuffer> {
  const to = new FieldWriter(HEADER_BYTES + payloadBytes);
  to.u8(opcode).u16(payloadBytes + countedHeader);
  write(to);
  return to.written;
}

class FieldWriter {
  readonly written: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #offset = 0;

  constructor(size: number) {
    this.written = new Uint8Array(size);
    this.#view = new DataView(this.written.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#take(1), within(value, 0, 0xff));
    return this;
  }
  u16(value: number): this {
    this.#view.setUint16(this.#take(2), within(value, 0, U16_MAX));
    return this;
  }
  i16(value: number): this {
    this.#view.setInt16(this.#take(2), within(value, -0x8000, 0x7fff));
    return this;
  }
  u32(value: number): this {
    this.#view.setUint32(this.#take(4), within(value, 0, U32_MAX));
    return this;
  }
  i32(value: number): this {
    this.#view.setInt32(this.#take(4), within(value, -0x80000000, 0x7fffffff));
    return this;
  }
  /** neko splits a clock at 2^32 - 1, not at 2^32. */
  clock(ms: number): this {
    return this.u32(Math.trunc(ms / U32_MAX)).u32(Math.trunc(ms) % U32_MAX);
  }
  bytes(value: Uint8Array): this {
    this.written.set(value, this.#take(value.length));
    return this;
  }
  #take(size: number): number {
    const at = this.#offset;
    this.#offset += size;
    return at;
  }
}

class FieldReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }
  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  i16(): number {
    return this.#view.getInt16(this.#take(2));
  }
  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  i32(): number {
    return this.#view.getInt32(this.#take(4));
  }
  clock(): number {
    return this.u32() * U32_MAX + this.u32();
  }
  rest(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.subarray(this.#offset));
  }
  #take(size: number): number {
    const at = this.#offset;
    if (at + size > this.#bytes.length) {
      throw new GatewayError('BAD_FRAME', `a data-channel message of ${this.#bytes.length} bytes ends too early`);
    }
    this.#offset = at + size;
    return at;
  }
}

function within(value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${value} is not an integer from ${min} to ${max}`);
  }
  return value;
}
