import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { GatewayError } from '../../errors.ts';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import {
  converse,
  readAll,
  startHostileEngine,
  trickle,
  type HostileEngine,
} from '../../../test/harness/hostile-engine.ts';
import { until } from '../../../test/harness/house.ts';
import type { Call } from '../http/call.ts';
import { openDoor, type Door, type DoorAddress } from './door.ts';
import type { Planner } from './plan.ts';

const log = pino({ level: 'silent' });
const PASS: Planner = { plan: () => undefined, answer: () => undefined };
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd:   kept \r\n\r\nok';
const LAST = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast';

interface Setting extends AsyncDisposable {
  engine: HostileEngine;
  door: Door;
  path: string;
}

async function setUp(
  onData: (socket: Socket, sofar: Buffer, connection: number) => void,
  { planner = PASS, address, ...limits }: { planner?: Planner; address?: DoorAddress; connectionsMax?: number } = {},
): Promise<Setting> {
  await using opening = new AsyncDisposableStack();
  const { path: folder } = opening.use(await temporaryFolder());
  const engine = opening.use(await startHostileEngine(join(folder, 'engine.sock'), onData));
  const path = join(folder, 'door.sock');
  const dialDocker = (): Promise<Awaited<ReturnType<HostileEngine['dial']>>> => engine.dial();
  const door = opening.use(
    await openDoor({ dialDocker, planner, log, ...limits }, address ?? { kind: 'socket', path }),
  );
  const owned = opening.move();
  return { engine, door, path, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Answers each complete head without a body, in turn. */
function answering(answers: readonly string[]): (socket: Socket, sofar: Buffer) => void {
  const given = new WeakMap<Socket, number>();
  return (socket, sofar) => {
    const asked = sofar.toString('latin1').split('\r\n\r\n').length - 1;
    for (let at = given.get(socket) ?? 0; at < asked; at++) {
      socket.write(answers[at] ?? LAST);
      given.set(socket, at + 1);
    }
  };
}

test('requests and answers pass byte for byte, also when the client sends several at once', async () => {
  await using at = await setUp(answering([OK, OK.slice(0, -2), LAST]));
  const requests =
    'GET /_ping HTTP/1.1\r\nhost: docker\r\nX-CaSe:  a  \r\n\r\nHEAD //v1.41/../info HTTP/1.1\r\nHost: x\r\n\r\nGET /%7Eodd?a=%zz HTTP/1.1\r\nHost: x\r\n\r\n';

  // The second is a HEAD: its answer says a length and has no body.
  const answer = await converse(at.path, requests);

  assert.equal(at.engine.received[0]?.toString('latin1'), requests);
  assert.equal(answer, `${OK}${OK.slice(0, -2)}${LAST}`);
});

test('a client and a daemon that send a byte at a time are understood', async () => {
  await using at = await setUp((socket, sofar) => {
    if (sofar.toString('latin1').endsWith('0\r\n\r\n'))
      void trickle(
        socket,
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n',
      );
  });
  const request = 'POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';

  const answer = await converse(at.path, request, { slowly: true });

  assert.equal(at.engine.received[0]?.toString('latin1'), request);
  assert.isTrue(answer.startsWith('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n'));
  assert.isTrue(answer.endsWith('3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n'));
});

test('each piece of a stream reaches the client as soon as the daemon says it', async () => {
  const said: ((text: string) => void)[] = [];
  await using at = await setUp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    said.push((text) => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`));
  });
  const client = createConnection(at.path);
  client.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
  const [head]: unknown[] = await once(client, 'data');

  said[0]?.('first');
  const [first]: unknown[] = await once(client, 'data');
  said[0]?.('second');
  const [second]: unknown[] = await once(client, 'data');

  assert.isTrue(String(head).startsWith('HTTP/1.1 200'));
  assert.equal(String(first), '5\r\nfirst\r\n');
  assert.equal(String(second), '6\r\nsecond\r\n');
  client.destroy();
});

test('after an upgrade each side may end by itself, and what was sent along with the request arrives first', async () => {
  let isUpgraded = false;
  await using at = await setUp((socket) => {
    if (isUpgraded) return;
    isUpgraded = true;
    socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello ');
    // Only once the client's side has ended, as `cat` does.
    socket.once('end', () => socket.end('after your end'));
  });
  const request =
    'POST /v1.41/exec/1/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}early';

  const answer = await converse(at.path, request, { half: true });

  assert.equal(at.engine.received[0]?.toString('latin1'), request);
  assert.isTrue(answer.endsWith('\r\n\r\nhello after your end'));
});

test('an answer without a length is a stream of bytes both ways, as an old attach is', async () => {
  await using at = await setUp((socket, sofar) => {
    const text = sofar.toString('latin1');
    if (text.endsWith('\r\n\r\n'))
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n');
    if (text.endsWith('typed')) socket.end('seen');
  });
  const client = createConnection({ path: at.path, allowHalfOpen: true });
  client.write('POST /containers/x/attach HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(client, 'data');

  client.write('typed');

  assert.equal(await readAll(client), 'seen');
  client.destroy();
});

test('HTTP/2 by prior knowledge passes as bytes', async () => {
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0000\u0004';
  await using at = await setUp((socket, sofar) => {
    if (sofar.length === preface.length) socket.end(Buffer.from([0, 0, 0, 4, 0]));
  });

  const answer = await converse(at.path, Buffer.from(preface, 'latin1'));

  assert.equal(at.engine.received[0]?.toString('latin1'), preface);
  assert.equal(answer.length, 5);
});

test('what is no HTTP at all passes as bytes', async () => {
  await using at = await setUp((socket, sofar) => {
    if (sofar.length === 4) socket.end('as you wish');
  });

  assert.equal(await converse(at.path, Buffer.from([22, 3, 1, 2])), 'as you wish');
});

test('a daemon that is lost in the middle of an answer is not taken for the end of it', async () => {
  await using at = await setUp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel', () => socket.destroy());
  });

  const answer = await converse(at.path, 'GET /logs HTTP/1.1\r\nHost: x\r\n\r\n');

  assert.notInclude(answer, '0\r\n\r\n');
});

test('a client that hangs up is hung up on at the daemon, which then ends its work', async () => {
  const { promise: left, resolve } = Promise.withResolvers<string>();
  await using at = await setUp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n');
    socket.once('end', () => resolve('left'));
  });
  const client = createConnection(at.path);
  client.write('GET /events HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(client, 'data');

  client.destroy();

  assert.equal(await left, 'left');
});

test('a client that hangs up in the middle of what it sends is hung up on at the daemon, which waits for the rest', async () => {
  const { promise: left, resolve } = Promise.withResolvers<string>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  await using at = await setUp((socket) => {
    socket.once('end', () => resolve('left'));
    begin();
  });
  const client = createConnection(at.path);
  client.write('POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel');
  await begun;

  client.destroy();

  assert.equal(await left, 'left');
});

test('a daemon that answers early and never hangs up is let go of with the client', async () => {
  let daemon: Socket | undefined;
  await using at = await setUp((socket) => {
    daemon = socket;
    socket.write('HTTP/1.1 413 Too Big\r\nContent-Length: 3\r\n\r\nbig');
  });
  const client = createConnection(at.path);
  client.write('POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nfirst');
  await once(client, 'data');

  client.destroy();

  await until(
    'nobody hears it any more',
    async () => daemon?.write('more'),
    () => daemon?.destroyed === true,
  );
});

test('a daemon that answers before it has read a big body, and hangs up, is heard', async () => {
  await using at = await setUp((socket, sofar) => {
    if (sofar.length > 100_000) return;
    socket.pause();
    socket.end('HTTP/1.1 413 Too Big\r\nContent-Length: 3\r\n\r\nbig');
  });
  const client = createConnection({ path: at.path, allowHalfOpen: true });
  client.on('error', () => undefined);
  client.write('POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n');
  client.write(Buffer.alloc(5_000_000));

  const answer = await readAll(client);

  assert.equal(answer, 'HTTP/1.1 413 Too Big\r\nContent-Length: 3\r\n\r\nbig');
  client.destroy();
});

test('a client that is one too many is told so until another leaves, and what the proxy answers itself it answers it, too', async () => {
  const answer = (call: Call): Promise<{ status: number; body: unknown }> | undefined =>
    call.path[0] === 'own' ? Promise.resolve({ status: 200, body: 'own' }) : undefined;
  await using at = await setUp(answering([LAST, LAST]), { planner: { ...PASS, answer }, connectionsMax: 1 });
  const first = createConnection(at.path);
  await once(first, 'connect');
  const ask = (path: string): Promise<string> => converse(at.path, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);

  const refused = await ask('/info');
  const own = await ask('/own');
  first.destroy();
  const served = await until(
    'there is room',
    () => ask('/info'),
    (text) => !text.includes('429'),
  );

  assert.isTrue(refused.startsWith('HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n'));
  assert.include(refused, '{"message":"no more connections: the docker proxy has 1 at once at most (MaxConnections');
  assert.isTrue(own.startsWith('HTTP/1.1 200 OK'));
  assert.equal(served, LAST);
  assert.lengthOf(at.engine.received, 1);
});

test("a daemon that can't be had is told in Docker's own style", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'door.sock');
  const dialDocker = (): Promise<never> =>
    Promise.reject(new GatewayError('SSH_UNREACHABLE', 'no SSH connection to there'));
  await using _door = await openDoor({ dialDocker, planner: PASS, log }, { kind: 'socket', path });

  const answer = await converse(path, 'GET /info HTTP/1.1\r\nHost: x\r\n\r\n');

  assert.isTrue(answer.startsWith('HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n'));
  assert.isTrue(answer.endsWith('{"message":"no SSH connection to there"}\n'));
});

test('a slow client holds up the daemon instead of filling memory', async () => {
  let written = 0;
  let isHeldUp = false;
  const { promise: heldUp, resolve } = Promise.withResolvers<void>();
  await using at = await setUp((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n');
    while (written < 64_000_000 && !isHeldUp) {
      isHeldUp = !socket.write(Buffer.alloc(64 * 1024)) && socket.writableLength > 8_000_000;
      written += 64 * 1024;
    }
    resolve();
  });
  const client = createConnection(at.path);
  client.pause();
  client.write('GET /images/get HTTP/1.1\r\nHost: x\r\n\r\n');

  await heldUp;

  assert.isBelow(written, 64_000_000);
  client.destroy();
});

test("the socket is its owner's alone; a second proxy is refused, and what a killed one left is taken over", async () => {
  await using at = await setUp(answering([LAST]));

  const { mode } = await stat(at.path);
  const second = await openDoor(
    { dialDocker: () => at.engine.dial(), planner: PASS, log },
    { kind: 'socket', path: at.path },
  ).catch((error: unknown) => error);

  assert.equal(mode & 0o777, 0o600);
  assert.instanceOf(second, GatewayError);
  assert.equal(second instanceof GatewayError && second.code, 'CONFLICT');
});

test('a door on TCP lets no web page in', async () => {
  await using at = await setUp(answering([LAST]), { address: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
  const port = Number(new URL(at.door.url).port);
  const ask = async (headers: string): Promise<string> => {
    const client = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
    client.write(`GET /info HTTP/1.1\r\n${headers}\r\n\r\n`);
    const answer = await readAll(client);
    client.destroy();
    return answer.split('\r\n')[0] ?? '';
  };

  const answers = await Promise.all([
    ask('Host: localhost:23750'),
    ask('Host: evil.example:23750'),
    ask('Host: localhost\r\nOrigin: https://evil.example'),
    ask('Host: localhost\r\nSec-Fetch-Mode: cors'),
    ask('Host: localhost\r\nBroken header'),
  ]);

  assert.deepEqual(answers, [
    'HTTP/1.1 200 OK',
    'HTTP/1.1 403 Forbidden',
    'HTTP/1.1 403 Forbidden',
    'HTTP/1.1 403 Forbidden',
    'HTTP/1.1 400 Bad Request',
  ]);
  assert.lengthOf(at.engine.received, 1);
});
