import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { assert, test } from 'vitest';
import { GatewayError } from '../../errors.ts';
import { claimSlot } from '../slots.ts';
import { UdpSlices, type UdpPorts } from './udp-slices.ts';

const nobody = async (): Promise<UdpPorts[]> => [];

test('slices claimed at once, by two agents of different sizes of slice, have no port in common', async () => {
  const one = new UdpSlices({ range: { min: 56_000, max: 56_031 }, size: 8 }, nobody);
  const other = new UdpSlices({ range: { min: 56_000, max: 56_031 }, size: 6 }, nobody);

  const slices = await Promise.all([one.claim(), other.claim(), one.claim(), other.claim()]);

  const taken = slices.flatMap(({ ports: { min, max } }) => Array.from({ length: max - min + 1 }, (_, k) => min + k));
  assert.lengthOf(taken, 28);
  assert.lengthOf([...new Set(taken)], 28);
  await Promise.all(slices.map((slice) => slice.release()));
});

test('a range that is taken is told with the way out, and a slice that is given back is used again', async () => {
  const slices = new UdpSlices({ range: { min: 56_100, max: 56_116 }, size: 8 }, nobody);
  const first = await slices.claim();
  const second = await slices.claim();
  const free = slices.free;

  const refused: unknown = await slices.claim().catch((thrown: unknown) => thrown);
  await first.release();
  const again = await slices.claim();

  assert.equal(free, 0);
  assert.isTrue(refused instanceof GatewayError && refused.code === 'PORTS_EXHAUSTED');
  assert.match(String(refused), /all 2 slices of 8 UDP ports in 56100-56116 .* widen --udp-range/);
  assert.deepEqual(again.ports, first.ports);
  await Promise.all([second.release(), again.release()]);
  assert.equal(slices.free, 2);
});

test("ports of containers that no agent claims, of other programs and of local processes' sessions are passed over", async () => {
  const socket = createSocket('udp4').bind(56_209, '127.0.0.1');
  await once(socket, 'listening');
  const slot = await claimSlot({ httpBase: 18_990, udpBase: 56_216, udpSize: 4, count: 1 });
  const slices = new UdpSlices({ range: { min: 56_200, max: 56_231 }, size: 8 }, async () => [
    { min: 56_207, max: 56_207 },
  ]);

  const slice = await slices.claim();

  assert.deepEqual(slice.ports, { min: 56_224, max: 56_231 });
  await Promise.all([slice.release(), slot.release()]);
  socket.close();
});

test('the ports of a container are claimed by one of two agents that find it', async () => {
  const options = { range: { min: 56_300, max: 56_307 }, size: 8 };
  const ports = { min: 56_300, max: 56_307 };

  const claims = await Promise.all([
    new UdpSlices(options, nobody).reclaim(ports),
    new UdpSlices(options, nobody).reclaim(ports),
  ]);

  assert.lengthOf(
    claims.filter((claim) => claim !== undefined),
    1,
  );
  for (const claim of claims) await claim?.release();
});
