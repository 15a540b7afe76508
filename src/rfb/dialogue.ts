// The little of RFB (RFC 6143, and rfbproto's extensions) that stands between a VNC client and its server: both handshakes, and what a
// client sends, as far as roles need it. No sockets; runs in browsers and Node.

/**
 * One side of a conversation in bytes, as it reads: yields how many bytes it must have next and is given them, or yields bytes to
 * send; returns what came of it, and throws what went wrong.
 */
export type Script<Result> = Generator<number | Uint8Array, Result, Uint8Array>;

const NOTHING = new Uint8Array(0);

/** Runs a script over bytes that come in pieces of any size. */
export class Dialogue<Result> {
  readonly #script: Script<Result>;
  readonly #send: (bytes: Uint8Array) => void;
  #held: Uint8Array = NOTHING;
  #wanted = 0;

  /** `send` is called for what the script says before it has heard anything, too. */
  constructor(script: Script<Result>, send: (bytes: Uint8Array) => void) {
    this.#script = script;
    this.#send = send;
  }

  /**
   * Takes what came, nothing at all to begin with. Returns undefined while the script wants more; once it is through, its
   * result and the bytes beyond it, and then it is not to be called again.
   * @throws what the script throws
   */
  push(chunk: Uint8Array): { result: Result; rest: Uint8Array } | undefined {
    let bytes = this.#held.length === 0 ? chunk : concat(this.#held, chunk);
    while (bytes.length >= this.#wanted) {
      const answer = bytes.subarray(0, this.#wanted);
      bytes = bytes.subarray(this.#wanted);
      let step = this.#script.next(answer);
      while (!step.done && typeof step.value !== 'number') {
        this.#send(step.value);
        step = this.#script.next(NOTHING);
      }
      if (step.done) return { result: step.value, rest: bytes };
      this.#wanted = Number(step.value);
    }
    this.#held = bytes;
    return undefined;
  }
}

export function concat(head: Uint8Array, tail: Uint8Array): Uint8Array {
  const both = new Uint8Array(head.length + tail.length);
  both.set(head);
  both.set(tail, head.length);
  return both;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value);
  return bytes;
}
