import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { readAll, startHostileEngine } from '../../../test/harness/hostile-engine.ts';
import { until } from '../../../test/harness/house.ts';
import { freePort, listenOnAnyPort } from '../../../test/harness/ports.ts';
import { Engine } from '../engine.ts';
import { ASKED_LABEL, OWNER_LABEL } from '../labels.ts';
import { PortChoices } from './choices.ts';
import { Forwards } from './forwards.ts';

const log = pino({ level: 'silent' });
const OWNER = 'me';
const ID = 'c'.repeat(64);

interface Setting extends AsyncDisposable {
  forwards: Forwards;
  /** Of the container, as the daemon tells it from now on. */
  set(state: 'running' | 'exited' | 'gone'): void;
  /** Says an event, as the daemon does. */
  say(action: string): void;
}

/** A daemon with one container, whose port leads to a server that greets. */
async function setUp(localPort: number, said = 'hello'): Promise<Setting> {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryFolder());
  // Connections that are open when the forwards stop are broken off.
  const greeter = createServer((socket) => socket.on('error', () => undefined).end(said));
  const remotePort = await listenOnAnyPort(greeter);
  opening.defer(() => void greeter.close());
  let state = 'exited';
  const watchers: ((line: string) => void)[] = [];
  const inspect = (): unknown => ({
    Id: ID,
    Name: '/web',
    State: { Running: state === 'running', Restarting: false },
    Config: {
      Labels: {
        [OWNER_LABEL]: OWNER,
        [ASKED_LABEL]: JSON.stringify({ bindings: { '80/tcp': [{ HostPort: String(localPort) }] }, all: false }),
      },
    },
    HostConfig: { PortBindings: { '80/tcp': [] } },
    NetworkSettings: {
      Ports: state === 'running' ? { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: String(remotePort) }] } : {},
    },
  });
  const daemon = opening.use(
    await startHostileEngine(join(path, 'engine.sock'), (socket, sofar) => {
      const target = sofar.toString().split(' ')[1] ?? '';
      if (target.startsWith('/events')) {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        watchers.push((line) => socket.write(`${line.length.toString(16)}\r\n${line}\r\n`));
        return;
      }
      const isGone = state === 'gone';
      const body = JSON.stringify(
        target.startsWith('/containers/json') ? (isGone ? [] : [{ Id: ID }]) : isGone ? {} : inspect(),
      );
      const status = isGone && !target.startsWith('/containers/json') ? '404 Not Found' : '200 OK';
      socket.end(`HTTP/1.1 ${status}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }),
  );
  const remote = {
    checkForwarding: async () => undefined,
    dialPort: async (port: number) => createConnection({ port, host: '127.0.0.1', allowHalfOpen: true }),
  };
  const choices = await PortChoices.open(join(path, 'ports.json'), log);
  const engine = new Engine(() => daemon.dial());
  const forwards = new Forwards({ engine, remote, choices, owner: OWNER, portsMax: 100, log });
  opening.defer(() => forwards.stop());
  const owned = opening.move();
  return {
    forwards,
    set: (next) => {
      state = next;
    },
    say: (action) => {
      for (const watcher of watchers)
        watcher(`${JSON.stringify({ Type: 'container', Action: action, Actor: { ID } })}\n`);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function visit(port: number): Promise<string> {
  return readAll(createConnection({ port, host: '127.0.0.1', allowHalfOpen: false })).catch(String);
}

test('a port is here before the start is asked for, and leads to the container once it runs', async () => {
  const port = await freePort();
  await using at = await setUp(port);

  const held = await at.forwards.hold('web');
  const early = at.forwards.shown(ID, '80/tcp');
  at.set('running');
  await held?.release();

  assert.deepEqual(early, [
    { HostIp: '0.0.0.0', HostPort: String(port) },
    { HostIp: '::', HostPort: String(port) },
  ]);
  assert.equal(await visit(port), 'hello');
});

test('after a start that the daemon refused the port is free again', async () => {
  const port = await freePort();
  await using at = await setUp(port);

  const held = await at.forwards.hold('web');
  await held?.release();

  assert.include(await visit(port), 'ECONNREFUSED');
});

test('a port follows the events of its container, and goes with it', async () => {
  const port = await freePort();
  await using at = await setUp(port);
  const held = await at.forwards.hold('web');
  at.set('running');
  await held?.release();

  at.set('gone');
  at.say('destroy');

  assert.include(
    await until(
      'it is gone',
      () => visit(port),
      (answer) => answer.includes('ECONNREFUSED'),
    ),
    'ECONNREFUSED',
  );
  assert.deepEqual(at.forwards.status(), []);
});

test('who still reads what a container said last gets all of it after the container is gone', async () => {
  const port = await freePort();
  const said = 'x'.repeat(20_000_000);
  await using at = await setUp(port, said);
  const held = await at.forwards.hold('web');
  at.set('running');
  await held?.release();
  const reader = createConnection({ port, host: '127.0.0.1' });
  await once(reader, 'readable');

  at.set('gone');
  at.say('destroy');
  await until(
    'the port is gone',
    async () => at.forwards.status().length,
    (count) => count === 0,
  );

  assert.include(await visit(port), 'ECONNREFUSED');
  assert.lengthOf(await readAll(reader), said.length);
});
