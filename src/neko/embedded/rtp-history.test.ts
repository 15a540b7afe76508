import assert from 'node:assert/strict';
import { test } from 'vitest';
import { RtpHeader, RtpPacket } from 'werift';
import { RtpHistory } from './rtp-history.ts';

test('what was lost is found again, round the end of the numbers too, but for what werift repeats and what is long gone', () => {
  const history = new RtpHistory();
  for (let index = 0; index < 2000; index += 1) history.add(packetOf((64_000 + index) & 0xffff));

  const newest = (64_000 + 1999) & 0xffff;
  const asked = [newest - 10, newest - 200, newest - 462, newest - 463, newest - 1023, newest - 1024].map(
    (number) => number & 0xffff,
  );

  assert.deepEqual(
    history.find(asked, 0).map((packet) => packet.header.sequenceNumber),
    asked.slice(1, 5),
  );
});

test('no more than 600 packets are repeated in a second', () => {
  const history = new RtpHistory();
  for (let number = 0; number < 1024; number += 1) history.add(packetOf(number));
  const all = Array.from({ length: 800 }, (_, number) => number);

  assert.deepEqual(
    [history.find(all, 0), history.find(all, 999), history.find(all, 1000)].map((found) => found.length),
    [600, 0, 600],
  );
});

function packetOf(sequenceNumber: number): RtpPacket {
  return new RtpPacket(new RtpHeader({ sequenceNumber }), Buffer.alloc(1));
}
