// What VNC clients send, made by chance from a seed; written without the code under test.
import type { ClientMessageKind } from '../../src/rfb/client-messages.ts';
import { seededRandom } from './random.ts';

export interface MadeMessage {
  kind: ClientMessageKind;
  bytes: Buffer;
}

/** Whole numbers from 0 up to a bound, the same for a seed. */
export function seeded(seed: number): (below: number) => number {
  const random = seededRandom(seed);
  return (below) => Math.floor(random() * below);
}

/** One message of any kind, its content anything. */
export function makeMessage(random: (below: number) => number): MadeMessage {
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => random(256)));
  const typed = (type: number, length: number): Buffer => {
    const bytes = noise(length);
    bytes[0] = type;
    return bytes;
  };
  const makers: (() => MadeMessage)[] = [
    () => ({ kind: 'pixel-format', bytes: typed(0, 20) }),
    () => {
      const count = random(40);
      const bytes = typed(2, 4 + 4 * count);
      bytes.writeUInt16BE(count, 2);
      // No real list has the one that changes how pointers are read, by chance.
      for (let index = 0; index < count; index += 1) bytes.writeInt32BE(random(300), 4 + 4 * index);
      return { kind: 'encodings', bytes };
    },
    () => ({ kind: 'update-request', bytes: typed(3, 10) }),
    () => ({ kind: 'key', bytes: typed(4, 8) }),
    () => ({ kind: 'pointer', bytes: typed(5, 6) }),
    () => {
      const length = random(3000);
      const bytes = typed(6, 8 + length);
      bytes.writeInt32BE(random(2) === 0 ? length : -length, 4);
      return { kind: 'cut-text', bytes };
    },
    () => ({ kind: 'continuous-updates', bytes: typed(150, 10) }),
    () => {
      const length = random(65);
      const bytes = typed(248, 9 + length);
      bytes[8] = length;
      return { kind: 'fence', bytes };
    },
    () => ({ kind: 'power', bytes: typed(250, 4) }),
    () => {
      const screens = random(4);
      const bytes = typed(251, 8 + 16 * screens);
      bytes[6] = screens;
      return { kind: 'resize', bytes };
    },
    () => {
      const bytes = typed(255, 12);
      bytes[1] = 0;
      return { kind: 'key', bytes };
    },
    () => {
      const operation = random(3);
      const bytes = typed(255, operation === 2 ? 10 : 4);
      bytes.set([1, 0, operation], 1);
      return { kind: 'audio', bytes };
    },
  ];
  const make = makers[random(makers.length)];
  if (!make) throw new Error('no such maker');
  return make();
}

/** The same bytes in pieces of up to `max`. */
export function* piecesOf(bytes: Buffer, max: number, random: (below: number) => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random(max);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
