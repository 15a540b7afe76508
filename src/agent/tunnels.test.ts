import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { pino } from 'pino';
import { test } from 'vitest';
import { FakeNeko } from '../../test/harness/fake-neko.ts';
import { temporaryFolder } from '../../test/harness/folder.ts';
import { closeOf, listen, openSocketPair } from '../../test/harness/socket-pair.ts';
import { GatewayError } from '../errors.ts';
import { LoginTable } from './logins.ts';
import { MediaDesk } from './media.ts';
import { Tunnels } from './tunnels.ts';
import { VncTunnels } from './vnc/tunnels.ts';

const log = pino({ level: 'silent' });
const send = (): void => undefined;

test("an agent that stops ends a call to neko whose client doesn't get on with it", async () => {
  await using folder = await temporaryFolder();
  await using neko = await FakeNeko.start(folder.path);
  await using silent = await listen();
  await using pair = await openSocketPair();
  const host = { neko: neko.neko, folder: folder.path, baseUrl: silent.url.replace('ws:', 'http:') };
  const media = new MediaDesk({ addresses: [], mediaOf: () => undefined, send });
  const logins = new LoginTable({ graceMs: 60_000, hostOf: () => host, onReport: send, media, log });
  const tunnels = new Tunnels({
    url: 'ws://127.0.0.1:1',
    agentKey: '',
    log,
    logins,
    media,
    preflight: () => assert.fail('nobody asked'),
    vnc: new VncTunnels({ serverOf: () => undefined, send, log }),
    spares: { take: () => pair.accepted },
    toolsOf: () => undefined,
    send,
  });
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const who = { loginId: randomUUID(), accessId: 'a-1', label: 'ann', expiresAt };
  const login = { ...who, role: 'controller', client: 'neko' } as const;
  tunnels.open({ kind: 'http', tunnelId: randomUUID(), ticket: 'a'.repeat(64), sessionId: 's-1', login });
  const head = { method: 'POST', path: '/api/room/upload/drop', headers: {} };
  pair.dialled.send(JSON.stringify(head));
  pair.dialled.send(Buffer.from('the first of it'));
  await once(silent.http, 'request');
  const closed = closeOf(pair.dialled);

  await logins.stop(new GatewayError('SHUTTING_DOWN', 'going'));
  await tunnels.settled();

  assert.deepEqual(await closed, { code: 4503, reason: 'SHUTTING_DOWN' });
});
