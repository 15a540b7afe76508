import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'vitest';
import { addressOf, findUdpAddress } from './udp-table.ts';

const TABLE = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  104: 0200000A:E678 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0
 2105: 00000000:E679 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1 2 0 0
`;

test('a socket is reached where it is bound, and on loopback where it takes all', () => {
  assert.equal(addressOf(TABLE, 59_000), '10.0.0.2');
  assert.equal(addressOf(TABLE, 59_001), '127.0.0.1');
  assert.equal(addressOf(TABLE, 59_002), undefined);
});

test('the kernel’s own table is read', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();

  assert.equal(await findUdpAddress(port), '127.0.0.1');
  socket.close();
  await once(socket, 'close');
  assert.equal(await findUdpAddress(port), undefined);
});
