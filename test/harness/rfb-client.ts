import { once } from 'node:events';
import { WebSocket } from 'ws';
import { concat, u32, viewOf } from '../../src/rfb/dialogue.ts';
import { closingOf, webSocketUrl } from './scripted-agent.ts';
import type { Closed } from './socket-pair.ts';

const RAW = 0;

/** Bytes of a WebSocket as one stream. */
export class ByteReader {
  readonly #socket: WebSocket;
  #chunks: Uint8Array[] = [];
  #length = 0;
  #wake = Promise.withResolvers<void>();

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (bytes: Buffer, isBinary) => {
      if (!isBinary) throw new Error(`a text frame: ${bytes.toString('utf8')}`);
      this.#chunks.push(bytes);
      this.#length += bytes.length;
      this.#wake.resolve();
    });
    socket.once('close', () => this.#wake.resolve());
  }

  /** The next bytes; @throws when the socket closes before they came. */
  async read(length: number): Promise<Uint8Array> {
    while (this.#length < length) {
      if (this.#socket.readyState === WebSocket.CLOSED)
        throw new Error(`closed with ${this.#length} of ${length} bytes`);
      this.#wake = Promise.withResolvers();
      await this.#wake.promise;
    }
    const held = Buffer.concat(this.#chunks);
    this.#chunks = [held.subarray(length)];
    this.#length -= length;
    return held.subarray(0, length);
  }

  /** Bytes that came and were not read. */
  get left(): number {
    return this.#length;
  }
}

/** A tiny VNC client: 3.8, without a password, raw pictures of 32 bits a pixel, little-endian, as Xvnc has them by itself. */
export class RfbClient implements AsyncDisposable {
  readonly socket: WebSocket;
  readonly closed: Promise<Closed>;
  readonly width: number;
  readonly height: number;
  readonly name: string;
  readonly #reader: ByteReader;
  readonly #pixels: Uint8Array;

  static async open(gatewayUrl: string, sessionId: string, token: string): Promise<RfbClient> {
    const socket = new WebSocket(`${webSocketUrl(gatewayUrl)}/s/${sessionId}/vnc`, ['binary', `access.${token}`]);
    const reader = new ByteReader(socket);
    await once(socket, 'open');
    const banner = Buffer.from(await reader.read(12)).toString('latin1');
    if (banner !== 'RFB 003.008\n') throw new Error(`not RFB: ${banner}`);
    socket.send(Buffer.from(banner));
    const [count = 0] = await reader.read(1);
    await reader.read(count);
    socket.send(Uint8Array.of(1));
    const result = viewOf(await reader.read(4)).getUint32(0);
    if (result !== 0) throw new Error(`refused with ${result}`);
    socket.send(Uint8Array.of(0));
    const init = viewOf(await reader.read(24));
    const name = Buffer.from(await reader.read(init.getUint32(20))).toString('utf8');
    const client = new RfbClient(socket, reader, { width: init.getUint16(0), height: init.getUint16(2), name });
    client.send([2, 0, 0, 1], u32(RAW));
    return client;
  }

  private constructor(
    socket: WebSocket,
    reader: ByteReader,
    { width, height, name }: { width: number; height: number; name: string },
  ) {
    this.socket = socket;
    this.closed = closingOf(socket);
    this.#reader = reader;
    this.width = width;
    this.height = height;
    this.name = name;
    this.#pixels = new Uint8Array(width * height * 4);
  }

  /** Asks for all of the picture, and resolves once it is there; then `pixel` is of that moment. */
  async refresh(): Promise<void> {
    const area = Buffer.alloc(10);
    area.writeUInt8(3, 0);
    area.writeUInt16BE(this.width, 6);
    area.writeUInt16BE(this.height, 8);
    this.socket.send(area);
    for (let covered = 0; covered < this.width * this.height;) covered += await this.#update();
  }

  /** Red, green and blue, as in `2040c0`. */
  pixel(x: number, y: number): string {
    const at = (y * this.width + x) * 4;
    return Buffer.from(this.#pixels.subarray(at, at + 3).toReversed()).toString('hex');
  }

  /** Presses and releases it. */
  key(keysym: number): void {
    for (const down of [1, 0]) this.send([4, down, 0, 0], u32(keysym));
  }

  /** Presses and releases the left button there. */
  click(x: number, y: number): void {
    for (const mask of [1, 0]) {
      const message = Buffer.alloc(6);
      message.writeUInt8(5, 0);
      message.writeUInt8(mask, 1);
      message.writeUInt16BE(x, 2);
      message.writeUInt16BE(y, 4);
      this.socket.send(message);
    }
  }

  send(head: readonly number[], tail: Uint8Array): void {
    this.socket.send(concat(Uint8Array.from(head), tail));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close(1000);
    await this.closed;
  }

  /** One message of the server; resolves with the pixels that it covered. */
  async #update(): Promise<number> {
    const [type] = await this.#reader.read(1);
    // Bell, and the desktop's clipboard.
    if (type === 2) return 0;
    if (type === 3) {
      await this.#reader.read(viewOf(await this.#reader.read(7)).getUint32(3));
      return 0;
    }
    if (type !== 0) throw new Error(`a message of type ${type}: bytes were lost`);
    const count = viewOf(await this.#reader.read(3)).getUint16(1);
    let covered = 0;
    for (let index = 0; index < count; index += 1) {
      const head = viewOf(await this.#reader.read(12));
      const [x, y, width, height] = [head.getUint16(0), head.getUint16(2), head.getUint16(4), head.getUint16(6)];
      if (head.getInt32(8) !== RAW) throw new Error(`a rectangle of encoding ${head.getInt32(8)}: bytes were lost`);
      const rows = await this.#reader.read(width * height * 4);
      for (let row = 0; row < height; row += 1)
        this.#pixels.set(rows.subarray(row * width * 4, (row + 1) * width * 4), ((y + row) * this.width + x) * 4);
      covered += width * height;
    }
    return covered;
  }
}
