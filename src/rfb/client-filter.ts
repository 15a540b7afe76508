import type { Role } from '../protocol/session.ts';
import {
  encodeEncodings,
  EXTENDED_MOUSE_BUTTONS,
  readClientMessage,
  readEncodings,
  type ClientMessage,
  type ClientMessageKind,
} from './client-messages.ts';
import { concat } from './dialogue.ts';

/** The least role that may send it; what a lesser one sends is withheld, and it goes on as if nothing were. */
const LEAST_ROLE: Record<ClientMessageKind, Role> = {
  'pixel-format': 'viewer',
  encodings: 'viewer',
  'update-request': 'viewer',
  'continuous-updates': 'viewer',
  fence: 'viewer',
  audio: 'viewer',
  key: 'controller',
  pointer: 'controller',
  'cut-text': 'controller',
  resize: 'owner',
  power: 'owner',
};
const RANK: Record<Role, number> = { viewer: 0, controller: 1, owner: 2 };

const NOTHING = new Uint8Array(0);

/** What one client sends after ClientInit, in pieces of any size, held to its role message by message. */
export class ClientFilter {
  readonly #role: Role;
  /** The beginning of a message that can't be told yet. */
  #head: Uint8Array = NOTHING;
  #needs = 1;
  /** Of a message that was told: what is still to come, and whether it passes. */
  #left = 0;
  #passes = false;
  #extendedMouseButtons = false;

  constructor(role: Role) {
    this.#role = role;
  }

  /** Whether a message has begun and isn't whole yet. */
  get isMidMessage(): boolean {
    return this.#left > 0 || this.#head.length > 0;
  }

  /**
   * What of these bytes goes on to the server, in order: parts of the chunk itself, but for what had to be held back or is written anew.
   * @throws GatewayError BAD_FRAME | MESSAGE_TOO_BIG; nothing more can be made of the stream then
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const passed: Uint8Array[] = [];
    /** Where the part that passes as it is begins. */
    let from = 0;
    let at = 0;
    const cut = (next: number): void => {
      if (at > from) passed.push(chunk.subarray(from, at));
      at = next;
      from = next;
    };
    while (at < chunk.length) {
      if (this.#left > 0) {
        const length = Math.min(this.#left, chunk.length - at);
        this.#left -= length;
        if (this.#passes) at += length;
        else cut(at + length);
        continue;
      }
      const held = this.#head.length;
      const taken = Math.min(this.#needs - held, chunk.length - at);
      const head = held === 0 ? chunk.subarray(at, at + taken) : concat(this.#head, chunk.subarray(at, at + taken));
      const message =
        head.length < this.#needs
          ? { needs: this.#needs }
          : readClientMessage(head, { extendedMouseButtons: this.#extendedMouseButtons });
      if ('needs' in message) {
        // What is whole in this chunk isn't copied.
        if (held === 0 && message.needs <= chunk.length - at) {
          this.#needs = message.needs;
          continue;
        }
        this.#head = held === 0 ? head.slice() : head;
        this.#needs = message.needs;
        cut(at + taken);
        continue;
      }
      this.#begin(message, head.length);
      const rewritten = this.#passes && message.kind === 'encodings' ? this.#listed(head) : undefined;
      if (rewritten || !this.#passes || held > 0) {
        cut(at + taken);
        if (this.#passes) passed.push(rewritten ?? head);
      } else at += taken;
    }
    cut(at);
    return passed;
  }

  #begin({ kind, length }: ClientMessage, headLength: number): void {
    this.#passes = RANK[this.#role] >= RANK[LEAST_ROLE[kind]];
    this.#left = length - headLength;
    this.#head = NOTHING;
    this.#needs = 1;
  }

  /**
   * A server that doesn't know extended mouse buttons takes the seventh byte of such a message for the next one's type, so that a client
   * could slip one past its role. Only who may send everything may use them.
   * @returns what is to be sent in place of the list, if not the list itself
   */
  #listed(message: Uint8Array): Uint8Array | undefined {
    const encodings = readEncodings(message);
    const isListed = encodings.includes(EXTENDED_MOUSE_BUTTONS);
    this.#extendedMouseButtons = isListed && this.#role === 'owner';
    if (!isListed || this.#extendedMouseButtons) return undefined;
    return encodeEncodings(encodings.filter((encoding) => encoding !== EXTENDED_MOUSE_BUTTONS));
  }
}
