import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import { makeMessage, piecesOf, seeded } from '../../test/harness/rfb-messages.ts';
import { Role } from '../protocol/session.ts';
import { ClientFilter } from './client-filter.ts';
import { CUT_TEXT_MAX_BYTES, encodeEncodings, ENCODINGS_MAX } from './client-messages.ts';

const WATCHING = ['pixel-format', 'encodings', 'update-request', 'continuous-updates', 'fence', 'audio'];
const PASSES: Record<Role, readonly string[]> = {
  viewer: WATCHING,
  controller: [...WATCHING, 'key', 'pointer', 'cut-text'],
  owner: [...WATCHING, 'key', 'pointer', 'cut-text', 'resize', 'power'],
};
const SET_DESKTOP_SIZE = Buffer.from('fb0003200258010000000001000000000320025800000000', 'hex');

function filtered(role: Role, ...pieces: Uint8Array[]): Buffer {
  const filter = new ClientFilter(role);
  return Buffer.concat(pieces.flatMap((piece) => filter.push(piece)));
}

function assertEnds(role: Role, bytes: Uint8Array, code: string): void {
  assert.throws(() => filtered(role, bytes), { code });
  assert.throws(() => filtered(role, ...[...bytes].map((byte) => Uint8Array.of(byte))), { code });
}

describe.each(Role.options)('what a %s sends', (role) => {
  test.each([1, 2, 7, 64, 5000])('reaches the desktop as its role has it, in pieces of up to %i bytes', (max) => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = seeded(seed * 1000 + max);
      const messages = Array.from({ length: 60 }, () => makeMessage(random));
      const stream = Buffer.concat(messages.map(({ bytes }) => bytes));

      const passed = filtered(role, ...piecesOf(stream, max, random));

      const expected = messages.filter(({ kind }) => PASSES[role].includes(kind)).map(({ bytes }) => bytes);
      assert.ok(passed.equals(Buffer.concat(expected)), `seed ${seed}`);
    }
  });

  test('never gets a type past that it may not send, whatever the bytes are', () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = seeded(seed);
      const noise = Buffer.from(Array.from({ length: 400 }, () => random(random(2) === 0 ? 7 : 256)));
      const passed: Uint8Array[] = [];
      const filter = new ClientFilter(role);
      try {
        for (const piece of piecesOf(noise, 30, random)) passed.push(...filter.push(piece));
      } catch {
        // Garbage ends the stream; what was let through until then is what counts.
      }

      // Whoever is let everything through reads the same messages in it, none of them above the role.
      assert.deepEqual(Buffer.concat(passed), filtered(role, Buffer.concat(passed)), `seed ${seed}`);
    }
  });
});

test('a message is begun until its last byte has come', () => {
  const filter = new ClientFilter('viewer');
  const isMid = [...Buffer.from('0400000000000061', 'hex')].map((byte) => {
    filter.push(Uint8Array.of(byte));
    return filter.isMidMessage;
  });

  assert.deepEqual(isMid, [true, true, true, true, true, true, true, false]);
});

test('what passes whole is not copied', () => {
  const clipboard = Buffer.alloc(8 + 50_000, 1);
  clipboard[0] = 6;
  clipboard.writeUInt32BE(50_000, 4);
  const chunk = Buffer.concat([Buffer.from('03000000000000640064', 'hex'), clipboard]);

  const passed = new ClientFilter('controller').push(chunk);

  assert.deepEqual(
    passed.map(({ buffer, byteOffset, length }) => [buffer === chunk.buffer, byteOffset - chunk.byteOffset, length]),
    [[true, 0, chunk.length]],
  );
});

test('what can not be told or is too much ends the stream', () => {
  assert.throws(() => filtered('owner', Buffer.from([7, 0, 0])), { code: 'BAD_FRAME' });
  assertEnds('owner', Buffer.from([253, 0x81, 0, 4]), 'BAD_FRAME');
  assertEnds('owner', Buffer.from([255, 2]), 'BAD_FRAME');
  assertEnds('owner', Buffer.from([255, 1, 0, 3]), 'BAD_FRAME');
  assertEnds('owner', Buffer.from([248, 0, 0, 0, 0, 0, 0, 0, 65]), 'BAD_FRAME');
  assertEnds('owner', encodeEncodings(Array.from({ length: ENCODINGS_MAX + 1 }, () => 0)), 'MESSAGE_TOO_BIG');
  for (const length of [CUT_TEXT_MAX_BYTES + 1, -CUT_TEXT_MAX_BYTES - 1, -0x80000000]) {
    const head = Buffer.from([6, 0, 0, 0, 0, 0, 0, 0]);
    head.writeInt32BE(length, 4);
    assertEnds('viewer', head, 'MESSAGE_TOO_BIG');
  }
});

test("an owner's mouse may have more buttons once it said so", () => {
  const stream = Buffer.concat([encodeEncodings([0, -316]), Buffer.from('05810064006401', 'hex'), SET_DESKTOP_SIZE]);

  assert.deepEqual(filtered('owner', stream), stream);
});

test('nobody slips a message past its role behind a mouse button', () => {
  // A server that doesn't know the extension takes the seventh byte for the next message's type.
  const pointer = Buffer.from('058100640064', 'hex');
  const stream = Buffer.concat([encodeEncodings([0, -316, -308]), pointer, SET_DESKTOP_SIZE]);

  assert.deepEqual(filtered('controller', stream), Buffer.concat([encodeEncodings([0, -308]), pointer]));
  assert.deepEqual(filtered('viewer', stream), Buffer.from(encodeEncodings([0, -308])));
});
