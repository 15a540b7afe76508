import { GatewayError } from '../errors.ts';
import { viewOf } from './dialogue.ts';

/** One clipboard in bytes, in either form; a longer one ends the connection with MESSAGE_TOO_BIG. */
export const CUT_TEXT_MAX_BYTES = 1024 * 1024;
/** Encodings that a client may list, pseudo-encodings included; more end the connection with MESSAGE_TOO_BIG. TigerVNC lists some 40. */
export const ENCODINGS_MAX = 1024;
/** A fence's own bytes (rfbproto, 7.4.11); more end the connection with BAD_FRAME. */
const FENCE_MAX_BYTES = 64;

/** By it a client says that its pointer messages may have a ninth and further buttons (rfbproto, 7.8.25). */
export const EXTENDED_MOUSE_BUTTONS = -316;

/** What a client can say, by what it does. */
export type ClientMessageKind =
  | 'pixel-format'
  | 'encodings'
  | 'update-request'
  | 'continuous-updates'
  | 'fence'
  | 'audio'
  | 'key'
  | 'pointer'
  | 'cut-text'
  | 'resize'
  | 'power';

export interface ClientMessage {
  kind: ClientMessageKind;
  /** In bytes, all of it. */
  length: number;
}

/**
 * Reads the head of the message that begins there: what it is and how long, or how many bytes must be there to tell that.
 * Encodings are told once they are all there.
 * @throws GatewayError BAD_FRAME for a type whose length can't be known | MESSAGE_TOO_BIG
 */
export function readClientMessage(
  head: Uint8Array,
  { extendedMouseButtons }: { extendedMouseButtons: boolean },
): ClientMessage | { needs: number } {
  const view = viewOf(head);
  const type = head[0];
  switch (type) {
    case undefined:
      return { needs: 1 };
    case 0:
      return { kind: 'pixel-format', length: 20 };
    case 2: {
      if (head.length < 4) return { needs: 4 };
      const count = view.getUint16(2);
      if (count > ENCODINGS_MAX)
        throw new GatewayError('MESSAGE_TOO_BIG', `${count} encodings; ${ENCODINGS_MAX} may be listed`);
      const length = 4 + 4 * count;
      return head.length < length ? { needs: length } : { kind: 'encodings', length };
    }
    case 3:
      return { kind: 'update-request', length: 10 };
    case 4:
      return { kind: 'key', length: 8 };
    case 5:
      if (!extendedMouseButtons) return { kind: 'pointer', length: 6 };
      if (head.length < 2) return { needs: 2 };
      // The highest bit says that one byte more follows, for the buttons beyond the seventh.
      return { kind: 'pointer', length: view.getUint8(1) >= 0x80 ? 7 : 6 };
    case 6: {
      if (head.length < 8) return { needs: 8 };
      // Negative for an extended clipboard (rfbproto, 7.7.27).
      const bytes = Math.abs(view.getInt32(4));
      if (bytes > CUT_TEXT_MAX_BYTES)
        throw new GatewayError('MESSAGE_TOO_BIG', `a clipboard of ${bytes} bytes; ${CUT_TEXT_MAX_BYTES} may be sent`);
      return { kind: 'cut-text', length: 8 + bytes };
    }
    case 150:
      return { kind: 'continuous-updates', length: 10 };
    case 248: {
      if (head.length < 9) return { needs: 9 };
      const bytes = view.getUint8(8);
      if (bytes > FENCE_MAX_BYTES)
        throw new GatewayError('BAD_FRAME', `a fence of ${bytes} bytes; it may have ${FENCE_MAX_BYTES}`);
      return { kind: 'fence', length: 9 + bytes };
    }
    case 250:
      return { kind: 'power', length: 4 };
    case 251:
      if (head.length < 8) return { needs: 8 };
      return { kind: 'resize', length: 8 + 16 * view.getUint8(6) };
    case 255:
      return readQemuMessage(head, view);
    default:
      throw new GatewayError('BAD_FRAME', `a client message of type ${type}, whose length is not known`);
  }
}

/** The extensions of QEMU that share one type: an extended key, and what the client wants to hear. */
function readQemuMessage(head: Uint8Array, view: DataView): ClientMessage | { needs: number } {
  if (head.length < 2) return { needs: 2 };
  const subtype = view.getUint8(1);
  if (subtype === 0) return { kind: 'key', length: 12 };
  if (subtype !== 1)
    throw new GatewayError('BAD_FRAME', `a QEMU message of subtype ${subtype}, whose length is not known`);
  if (head.length < 4) return { needs: 4 };
  const operation = view.getUint16(2);
  // On and off; and a sample format, with channels and frequency.
  if (operation > 2) throw new GatewayError('BAD_FRAME', `a QEMU audio message with operation ${operation}`);
  return { kind: 'audio', length: operation === 2 ? 10 : 4 };
}

/** The encodings that such a message lists. */
export function readEncodings(message: Uint8Array): number[] {
  const view = viewOf(message);
  return Array.from({ length: view.getUint16(2) }, (_, index) => view.getInt32(4 + 4 * index));
}

export function encodeEncodings(encodings: readonly number[]): Uint8Array {
  const message = new Uint8Array(4 + 4 * encodings.length);
  const view = viewOf(message);
  view.setUint8(0, 2);
  view.setUint16(2, encodings.length);
  encodings.forEach((encoding, index) => view.setInt32(4 + 4 * index, encoding));
  return message;
}
