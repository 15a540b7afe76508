import { writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { request } from 'undici';
import { assert, describe, test, vi } from 'vitest';
import { ControlPlane } from '../../test/harness/control-plane.ts';

describe('the API', () => {
  test("nobody gets in without the administrator's token", async () => {
    await using plane = await ControlPlane.start();
    const paths = [
      '/api/v1/agents',
      '/api/v1/sessions',
      '/api/v1/audit',
      '/api/v1/sessions/s-1/access',
      '/api/v1/sessions/s-1/logins',
    ];

    for (const path of paths) {
      const none = await plane.call('GET', path, { token: '' });
      assert.equal(none.status, 401, path);
      assert.equal(none.headers.get('content-type'), 'application/problem+json', path);
      const wrong = await plane.call('GET', path, { token: 'f'.repeat(64) });
      assert.equal(wrong.status, 401, path);
      assert.equal(wrong.body.code, 'UNAUTHENTICATED');
    }
  });

  test('who presents wrong tokens all the time is told to wait, and the right token still works', async () => {
    await using plane = await ControlPlane.start();
    const answers = [];
    for (let count = 0; count < 25; count += 1)
      answers.push(await plane.call('GET', '/api/v1/agents', { token: 'f'.repeat(64) }));

    assert.equal(answers.at(0)?.status, 401);
    assert.equal(answers.at(-1)?.status, 429);
    assert.equal((await plane.call('GET', '/api/v1/agents')).status, 200);
    const { body } = await plane.call('GET', '/api/v1/audit');
    assert.equal(body.audit.filter((row: { action: string }) => row.action === 'call.refused').length, 20);
  });

  test("every failure is a problem with a code, the framework's own too", async () => {
    await using plane = await ControlPlane.start();
    const wrong = [
      [404, 'NOT_FOUND', await plane.call('GET', '/nothing')],
      [404, 'NOT_FOUND', await plane.call('PUT', '/api/v1/agents')],
      [400, 'BAD_REQUEST', await plane.call('GET', '/%ff')],
      [400, 'BAD_REQUEST', await plane.call('POST', '/api/v1/agents', { body: '{"id":' })],
      [
        400,
        'BAD_REQUEST',
        await plane.call('POST', '/api/v1/agents', { headers: { 'content-type': 'application/json' } }),
      ],
      [
        415,
        'UNSUPPORTED_MEDIA_TYPE',
        await plane.call('POST', '/api/v1/agents', { body: 'x', headers: { 'content-type': 'image/png' } }),
      ],
      [413, 'MESSAGE_TOO_BIG', await plane.call('POST', '/api/v1/agents', { body: { id: 'x'.repeat(2 ** 21) } })],
      [404, 'AGENT_NOT_FOUND', await plane.call('GET', '/api/v1/agents/nobody')],
      [404, 'SESSION_NOT_FOUND', await plane.call('DELETE', '/api/v1/sessions/s-none')],
      [503, 'NO_AGENT', await plane.call('POST', '/api/v1/sessions', { body: {} })],
    ] as const;

    for (const [status, code, answer] of wrong) {
      assert.equal(answer.status, status, code);
      assert.equal(answer.headers.get('content-type'), 'application/problem+json', code);
      assert.deepInclude(answer.body, { status, code, type: `urn:nekogate:problem:${code}` });
      assert.equal(answer.body.requestId, answer.headers.get('x-request-id'));
    }
  });

  test('a request that does not fit names its fields', async () => {
    await using plane = await ControlPlane.start();

    const { status, body } = await plane.call('POST', '/api/v1/sessions', {
      body: { screen: { width: 1 }, environment: { LD_PRELOAD: 'x' } },
    });

    assert.equal(status, 400);
    assert.deepEqual(
      body.fields.map(({ path }: { path: string }) => path),
      ['screen.width', 'environment.LD_PRELOAD'],
    );
  });

  test("a caller's request id comes back and stands in the audit; an odd one does not", async () => {
    await using plane = await ControlPlane.start();

    const sane = await plane.call('POST', '/api/v1/agents', {
      body: { id: 'host-1' },
      headers: { 'x-request-id': 'ticket-42' },
    });
    const odd = await plane.call('GET', '/healthz', { headers: { 'x-request-id': 'a b<script>' } });

    assert.equal(sane.headers.get('x-request-id'), 'ticket-42');
    assert.match(odd.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
    const { body } = await plane.call('GET', '/api/v1/audit?limit=1');
    assert.deepInclude(body.audit[0], {
      action: 'agent.enrolled',
      actor: 'admin',
      target: 'agent:host-1',
      requestId: 'ticket-42',
    });
  });

  test('pages of other sites may call it only when they are named', async () => {
    await using plane = await ControlPlane.start({ corsOrigins: ['https://good.example'] });

    const ask = (origin: string) =>
      plane.call('OPTIONS', '/api/v1/sessions', {
        token: '',
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
      });

    assert.equal(
      (await ask('https://good.example')).headers.get('access-control-allow-origin'),
      'https://good.example',
    );
    assert.equal((await ask('https://evil.example')).headers.get('access-control-allow-origin'), null);
  });

  test('tokens in a query are in no log', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
    await using plane = await ControlPlane.start({ logger });

    await plane.call('GET', '/api/v1/agents?token=SECRET-IN-QUERY');
    await plane.call('GET', '/nothing?token=SECRET-IN-QUERY');
    await plane.call('GET', '/api/v1/agents', { token: 'SECRET-IN-HEADER' });
    await plane.dialPath('/s/s-1/api/ws?token=SECRET-IN-QUERY', []);
    await plane.dialPath('/nothing?token=SECRET-IN-QUERY', []);
    await plane.dialPath('/s/s-1/v1/desktop/stream/signaling?access_token=SECRET-IN-QUERY', []);
    await plane.call('GET', '/s/s-1/v1/desktop/status?access_token=SECRET-IN-QUERY');

    assert.isAbove(lines.length, 4);
    assert.notInclude(lines.join(''), 'SECRET-IN');
    assert.notInclude(lines.join(''), plane.gateway.adminToken);
  });
});

describe('what operators look at', () => {
  test('alive, ready and measured', async () => {
    await using plane = await ControlPlane.start();

    assert.deepEqual((await plane.call('GET', '/healthz', { token: '' })).body, { status: 'ok' });
    assert.deepEqual((await plane.call('GET', '/readyz', { token: '' })).body, { status: 'ok', store: 'sqlite' });
    const { body, status } = await plane.call('GET', '/metrics', { token: '' });
    assert.equal(status, 200);
    assert.include(body, 'nekogate_agents{state="online"} 0');
    assert.include(body, 'route="/readyz"');
  });

  test('how many sessions the hosts still have ports for is measured, as their agents say it', async () => {
    await using plane = await ControlPlane.start();
    await using one = await plane.connectAgent();

    one.send('heartbeat', { sessions: 1, load: 0, freeMemory: 1, freeSlots: 124, vncTunnels: 0 });

    await vi.waitFor(async () =>
      assert.include((await plane.call('GET', '/metrics')).body, 'nekogate_free_port_slots 124'),
    );
  });

  test('the metrics of a gateway that others can reach need the token', async () => {
    await using plane = await ControlPlane.start({ host: '0.0.0.0' });

    assert.equal((await plane.call('GET', '/metrics', { token: '' })).status, 401);
    assert.equal((await plane.call('GET', '/metrics')).status, 200);
  });

  test('the API describes itself, for programs and for people', async () => {
    await using plane = await ControlPlane.start();

    const { body } = await plane.call('GET', '/openapi.json', { token: '' });
    const docs = await plane.call('GET', '/docs', { token: '' });

    assert.equal(body.openapi, '3.1.0');
    const post = body.paths['/api/v1/sessions'].post;
    assert.deepEqual(
      post.requestBody.content['application/json'].schema.properties.screen.properties.width.maximum,
      7680,
    );
    assert.deepEqual(post.security, [{ admin: [] }]);
    assert.property(post.responses['4XX'].content, 'application/problem+json');
    assert.deepEqual(body.paths['/api/v1/sessions/{sessionId}/logins'].get.security, [{ admin: [] }, { access: [] }]);
    assert.notInclude(JSON.stringify(body), '$defs');
    assert.include(docs.body, '/api/v1/sessions/{sessionId}/access');
    assert.include(docs.body, 'ACCESS_REVOKED');
    assert.notInclude(docs.body, '<script');
  });
});

describe('the pages', () => {
  test('the viewer and what it loads come from here, fresh, and may run nothing else', async () => {
    await using plane = await ControlPlane.start({ corsOrigins: ['https://good.example'] });
    await writeFile(join(plane.dataDir, 'view.html'), '<!doctype html>viewer');
    await writeFile(join(plane.dataDir, 'view.js'), 'export {}');

    const view = await plane.call('GET', '/view/s-1', { token: '' });
    const script = await plane.call('GET', '/assets/view.js', { token: '' });
    // Not by fetch, which asks to pass every cache by as soon as a condition is set by hand.
    const again = await request(`${plane.gateway.url}/assets/view.js`, {
      headers: { 'if-none-match': script.headers.get('etag') ?? '' },
    });

    assert.equal(view.body, '<!doctype html>viewer');
    const policy = view.headers.get('content-security-policy') ?? '';
    assert.include(policy, "default-src 'none'; script-src 'self';");
    assert.include(policy, "frame-ancestors 'self' https://good.example");
    assert.notInclude(policy, 'unsafe');
    assert.equal(view.headers.get('referrer-policy'), 'no-referrer');
    assert.equal(script.headers.get('cache-control'), 'no-cache');
    assert.match(script.headers.get('content-type') ?? '', /javascript/);
    assert.equal(again.statusCode, 304);
  });

  test('nothing beside the viewer is served', async () => {
    await using plane = await ControlPlane.start();
    await writeFile(join(plane.dataDir, '.hidden'), 'x');

    for (const path of ['/assets/.hidden', '/assets/%2e%2e/%2e%2e/etc/passwd', '/assets/none.js', '/assets/'])
      assert.include([403, 404], (await plane.call('GET', path, { token: '' })).status, path);
    const unbuilt = await plane.call('GET', '/view/s-1', { token: '' });
    assert.include(unbuilt.body.detail, 'not built');
  });

  test('the front page says what this is', async () => {
    await using plane = await ControlPlane.start();

    const { body, headers } = await plane.call('GET', '/', { token: '' });

    assert.equal(headers.get('content-type'), 'text/html; charset=utf-8');
    assert.include(body, '<h1>nekogate</h1>');
    assert.equal((await plane.call('GET', '/pages.css', { token: '' })).status, 200);
  });
});

describe('the door for WebSockets', () => {
  test('an unknown path is refused before the upgrade', async () => {
    await using plane = await ControlPlane.start();

    assert.deepEqual(await plane.dialPath('/api/v1/nothing', []), { status: 404, code: 'NOT_FOUND' });
    assert.deepEqual(await plane.dialPath('/s/UPPER/api/ws', []), { status: 404, code: 'NOT_FOUND' });
  });

  test('odd requests are refused and hurt nobody else', async () => {
    await using plane = await ControlPlane.start();
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
    const heads = [
      `GET // HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
      `GET http://[::1 HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
      `GET /s/%ff%fe/api/ws HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
      `GET /s/s-1/api/ws HTTP/1.1\r\nHost: ]][[:99999999\r\nOrigin: http://]][[\r\n${upgrade}\r\n`,
      `GET /s/s-1/api/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n`,
      `POST /api/v1/agents/connect HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`,
    ];

    for (const head of heads) {
      const answer = await sendRaw(plane.gateway.url, head);
      assert.match(answer, /^HTTP\/1\.1 4\d\d /, head);
    }
    const noRequest = await sendRaw(plane.gateway.url, 'this is not HTTP\r\n\r\n');
    assert.include(noRequest, 'application/problem+json');
    assert.equal((await plane.call('GET', '/healthz')).status, 200);
  });

  test('a caller that breaks off in the middle hurts nobody else', async () => {
    await using plane = await ControlPlane.start();
    const port = Number(new URL(plane.gateway.url).port);

    for (let count = 0; count < 20; count += 1) {
      const socket = createConnection({ host: '127.0.0.1', port });
      await new Promise<void>((resolve) => {
        socket.write(
          `GET /s/s-1/api/ws?token=x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
          () => resolve(),
        );
      });
      socket.resetAndDestroy();
    }

    assert.equal((await plane.call('GET', '/healthz')).status, 200);
  });
});

test('a port that is taken is an error, and nothing is left open', async () => {
  await using plane = await ControlPlane.start();
  const port = Number(new URL(plane.gateway.url).port);

  const failure: unknown = await ControlPlane.start({ port }).catch((error: unknown) => error);

  assert.propertyVal(failure, 'code', 'EADDRINUSE');
});

async function sendRaw(url: string, head: string): Promise<string> {
  const socket = createConnection({ host: '127.0.0.1', port: Number(new URL(url).port) });
  socket.write(head);
  return text(socket);
}
