import assert from 'node:assert/strict';
import { describe, test } from 'vitest';
import type { SourcePacket } from './media-source.ts';
import { RtpRewriter } from './rtp-rewriter.ts';
import { RtpStreamReader, startsVp8KeyFrame } from './rtp-stream.ts';

describe('the stream reader', () => {
  const packet = Buffer.from('80e0000100000002000000031 0'.replace(' ', ''), 'hex');
  const framed = Buffer.concat([Buffer.from([0, packet.length]), packet]);

  test('finds packets however their bytes arrive', () => {
    const reader = new RtpStreamReader();
    const bytes = Buffer.concat([framed, framed, framed]);

    const packets = [...bytes].flatMap((byte) => reader.read(Buffer.from([byte])));

    assert.equal(packets.length, 3);
    assert.deepEqual(packets[0], { sequenceNumber: 1, timestamp: 2, marker: true, payload: Buffer.from([0x10]) });
    assert.equal(new RtpStreamReader().read(bytes).length, 3);
  });

  test('throws at what is no RTP', () => {
    assert.throws(() => new RtpStreamReader().read(Buffer.from([0, 1, 0x80])));
    assert.throws(() => new RtpStreamReader().read(Buffer.concat([Buffer.from([0, 12]), Buffer.alloc(12)])));
  });
});

test('a key frame is known by the start of its first partition', () => {
  const known = ['10 00', '90 80 05 00', '90 80 80 05 00', '90 f0 05 01 02 00'];
  const others = ['10 01', '00 00', '11 00', '90 80 05 01', '', '10'];

  assert.deepEqual(
    known.map((hex) => startsVp8KeyFrame(bytesOf(hex))),
    known.map(() => true),
  );
  assert.deepEqual(
    others.map((hex) => startsVp8KeyFrame(bytesOf(hex))),
    others.map(() => false),
  );
});

const FIRST = Symbol('first run');
const SECOND = Symbol('second run');

describe('a viewer’s stream', () => {
  const video = () => new RtpRewriter({ clockRate: 90_000, needsKeyFrame: true });

  test('starts with a key frame', () => {
    const rewriter = video();

    assert.equal(rewriter.place(packetOf({ sequenceNumber: 7 }), 0), undefined);
    assert.ok(rewriter.waitsForKeyFrame);
    assert.deepEqual(rewriter.place(packetOf({ sequenceNumber: 8, startsKeyFrame: true }), 0), {
      sequenceNumber: 8,
      timestamp: 0,
    });
    assert.deepEqual(rewriter.place(packetOf({ sequenceNumber: 9 }), 0), { sequenceNumber: 9, timestamp: 0 });
  });

  test('goes on in sequence and time when the source starts anew', () => {
    const rewriter = video();
    rewriter.place(packetOf({ sequenceNumber: 65_535, timestamp: 0xffff_ff00, startsKeyFrame: true }), 1000);

    assert.equal(rewriter.place(packetOf({ epoch: SECOND, sequenceNumber: 100 }), 1050), undefined);
    const place = rewriter.place(
      packetOf({ epoch: SECOND, sequenceNumber: 101, timestamp: 500, startsKeyFrame: true }),
      1100,
    );
    const next = rewriter.place(packetOf({ epoch: SECOND, sequenceNumber: 102, timestamp: 4100 }), 1140);

    assert.deepEqual(place, { sequenceNumber: 0, timestamp: (0xffff_ff00 + 9000) % 2 ** 32 });
    assert.deepEqual(next, { sequenceNumber: 1, timestamp: (0xffff_ff00 + 9000 + 3600) % 2 ** 32 });
  });

  test('has no gap after a pause, and waits for a key frame again', () => {
    const rewriter = video();
    rewriter.place(packetOf({ sequenceNumber: 10, startsKeyFrame: true }), 0);

    rewriter.interrupt();

    assert.equal(rewriter.place(packetOf({ sequenceNumber: 50 }), 0), undefined);
    assert.equal(rewriter.place(packetOf({ sequenceNumber: 51, startsKeyFrame: true }), 0)?.sequenceNumber, 11);
  });

  test('of sound needs no key frame', () => {
    const rewriter = new RtpRewriter({ clockRate: 48_000, needsKeyFrame: false });

    assert.deepEqual(rewriter.place(packetOf({ sequenceNumber: 3 }), 0), { sequenceNumber: 3, timestamp: 0 });
  });
});

function packetOf(fields: Partial<SourcePacket>): SourcePacket {
  return {
    sequenceNumber: 0,
    timestamp: 0,
    marker: false,
    payload: Buffer.alloc(0),
    epoch: FIRST,
    startsKeyFrame: false,
    ...fields,
  };
}

function bytesOf(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(' ', ''), 'hex');
}
