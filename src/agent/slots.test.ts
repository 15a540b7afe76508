import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { assert, test } from 'vitest';
import { GatewayError } from '../errors.ts';
import { claimSlot } from './slots.ts';

test('slots claimed at once have no port in common', async () => {
  const slots = await Promise.all(Array.from({ length: 4 }, () => claimSlot(range(0))));

  const [first, ...others] = slots.map(({ ports }) => ports).toSorted((a, b) => a.http - b.http);
  assert.deepEqual(first, { http: 18_900, udp: { min: 57_000, max: 57_003 } });
  assert.deepEqual(
    others.map(({ http, udp }) => [http, udp.min, udp.max]),
    [
      [18_901, 57_004, 57_007],
      [18_902, 57_008, 57_011],
      [18_903, 57_012, 57_015],
    ],
  );
  await Promise.all(slots.map((slot) => slot.release()));
});

test('with every slot taken the next claim is refused until one is released', async () => {
  const slots = await Promise.all(Array.from({ length: 4 }, () => claimSlot(range(1))));

  const refused: unknown = await claimSlot(range(1)).catch((thrown: unknown) => thrown);
  await slots[2]?.release();
  const again = await claimSlot(range(1));

  assert.equal(refused instanceof GatewayError && refused.code, 'SESSION_LIMIT');
  assert.deepEqual(again.ports, slots[2]?.ports);
  await Promise.all([...slots, again].map((slot) => slot.release()));
});

test("ports that another program has are passed over, TCP's and UDP's alike", async () => {
  const { httpBase, udpBase } = range(2);
  const tcp = createServer().listen(httpBase, '127.0.0.1');
  const udp = createSocket('udp4').bind(udpBase + 5);
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);

  const slot = await claimSlot(range(2));

  assert.equal(slot.ports.http, httpBase + 2);
  await slot.release();
  tcp.close();
  udp.close();
});

/** Four slots that no other test uses. */
function range(index: number) {
  return { httpBase: 18_900 + 4 * index, udpBase: 57_000 + 16 * index, udpSize: 4, count: 4 };
}
