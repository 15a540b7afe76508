import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { execa } from 'execa';
import { pino } from 'pino';
import { assert, test } from 'vitest';
import { temporaryFolder } from '../../../test/harness/folder.ts';
import { readAll, startHostileEngine, type HostileEngine } from '../../../test/harness/hostile-engine.ts';
import { until } from '../../../test/harness/house.ts';
import { listenOnAnyPort } from '../../../test/harness/ports.ts';
import { makeKey, startSshd, type Sshd } from '../../../test/harness/sshd.ts';
import { GatewayError } from '../../errors.ts';
import { SshLink } from './link.ts';
import { SshPool } from './pool.ts';
import type { SshDestination } from './settings.ts';

const log = pino({ level: 'silent' });

interface Setting extends AsyncDisposable {
  folder: string;
  sshd: Sshd;
  engine: HostileEngine;
  link: SshLink;
}

interface Choice {
  settings?: string[];
  agentSocket?: string;
  acceptNewHostKeys?: boolean;
  destination?: (sshd: Sshd) => SshDestination;
  prepare?: (sshd: Sshd) => Promise<unknown>;
}

/** A link to an engine that echoes, through a real sshd. */
async function setUp(choice: Choice = {}): Promise<Setting> {
  await using opening = new AsyncDisposableStack();
  const { path: folder } = opening.use(await temporaryFolder());
  const sshd = opening.use(await startSshd(folder, choice.settings));
  await choice.prepare?.(sshd);
  const engine = opening.use(
    await startHostileEngine(join(folder, 'engine.sock'), (socket, sofar) => {
      if (sofar.toString().endsWith('?')) socket.write('!');
      socket.once('client-ended', () => socket.end('bye'));
    }),
  );
  const { agentSocket, acceptNewHostKeys = false } = choice;
  const destination = choice.destination?.(sshd) ?? { host: 'remote', configFile: sshd.configFile };
  const link = opening.use(
    new SshLink({ log, agentSocket, acceptNewHostKeys }, destination, { kind: 'socket', path: engine.path }),
  );
  const owned = opening.move();
  return { folder, sshd, engine, link, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function ask(stream: Duplex): Promise<string> {
  stream.write('are you there?');
  const [answer]: unknown[] = await once(stream, 'data');
  return String(answer);
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'none';
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error);
  }
}

test('the daemon is reached over one connection, and each side of a stream ends by itself', async () => {
  await using at = await setUp();
  const stream = await at.link.dialDocker('control');
  stream.write('anything');

  stream.end();

  assert.equal(await readAll(stream), 'bye');
  assert.equal(at.link.health().control.state, 'connected');
  assert.equal(at.link.health().bulk.state, 'down');
});

test('a hundred streams at once are no hundred connections, and sshd refuses none', async () => {
  await using at = await setUp({ settings: ['MaxSessions 1'] });

  const streams = await Promise.all(Array.from({ length: 100 }, () => at.link.dialDocker('control')));

  assert.deepEqual(new Set(await Promise.all(streams.map(ask))), new Set(['!']));
  assert.equal(at.link.health().control.channels, 100);
});

test('a stream that is let go of is gone, also when nobody has read what came', async () => {
  await using at = await setUp();
  const streams = await Promise.all(Array.from({ length: 3 }, () => at.link.dialDocker('control')));
  await Promise.all(
    streams.map(async (stream) => {
      stream.write('anything?');
      await once(stream, 'readable');
    }),
  );

  for (const stream of streams) stream.destroy();

  await until(
    'no channel is left',
    async () => at.link.health().control.channels,
    (count) => count === 0,
  );
});

test('of a stream that is over nothing is kept for as long as the connection lasts', async () => {
  await using at = await setUp();
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  const openAndClose = async (): Promise<WeakRef<Duplex>> => {
    const stream = await at.link.dialDocker('control');
    stream.destroy();
    return new WeakRef(stream);
  };

  const streams: WeakRef<Duplex>[] = [];
  for (let count = 0; count < 30; count++) streams.push(await openAndClose());

  await until(
    'they are gone',
    async () => {
      if (typeof collect === 'function') collect();
      return streams.filter((stream) => stream.deref() !== undefined).length;
    },
    // The last may still be held by what has just run.
    (count) => count < 5,
  );
});

test('when sshd is killed every stream breaks off, and the next one has a new connection', async () => {
  await using at = await setUp();
  const stream = await at.link.dialDocker('control');
  await ask(stream);
  const broken = once(stream, 'error');

  await at.sshd.kill();

  await broken;
  assert.equal(await codeOf(at.link.dialDocker('control')), 'SSH_UNREACHABLE');
  await at.sshd.restart();
  assert.equal(await ask(await at.link.dialDocker('control')), '!');
});

test('a host that hangs up in the middle of a login is told, and the next call logs in anew', async () => {
  const leaving = createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-leaving\r\n'));
  const port = await listenOnAnyPort(leaving);
  await using at = await setUp({ prepare: (sshd) => redirect(sshd, sshd.port, port) });

  assert.equal(await codeOf(at.link.dialDocker('control')), 'SSH_UNREACHABLE');
  leaving.close();
  await redirect(at.sshd, port, at.sshd.port);
  assert.equal(await ask(await at.link.dialDocker('control')), '!');
});

test('a host that nobody knows is refused with the way out, and written down when that is wished', async () => {
  const forget = (sshd: Sshd): Promise<void> => writeFile(sshd.knownHostsFile, '');
  await using strict = await setUp({ prepare: forget });
  await using accepting = await setUp({ prepare: forget, acceptNewHostKeys: true });

  assert.equal(await codeOf(strict.link.dialDocker('control')), 'SSH_HOST_KEY_UNKNOWN');
  assert.equal(await ask(await accepting.link.dialDocker('control')), '!');
  assert.include(
    await readFile(accepting.sshd.knownHostsFile, 'utf8'),
    `[127.0.0.1]:${accepting.sshd.port} ssh-ed25519 `,
  );
});

test('a changed host key is refused, also by who accepts new ones', async () => {
  const change = async (sshd: Sshd): Promise<void> => {
    await makeKey(`${sshd.keyFile}-other`);
    const other = (await readFile(`${sshd.keyFile}-other.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');
    await writeFile(sshd.knownHostsFile, `[127.0.0.1]:${sshd.port} ${other}\n`);
  };
  await using at = await setUp({ prepare: change, acceptNewHostKeys: true });

  assert.equal(await codeOf(at.link.dialDocker('control')), 'SSH_HOST_KEY_CHANGED');
});

test('a key that the host does not take is told as that', async () => {
  await using at = await setUp({ prepare: (sshd) => writeFile(join(sshd.keyFile, '..', 'authorized_keys'), '') });

  assert.equal(await codeOf(at.link.dialDocker('control')), 'SSH_AUTH_FAILED');
});

test('a key with a passphrase is used out of the agent, and named when there is none', async () => {
  await using folder = await temporaryFolder();
  const socket = join(folder.path, 'agent');
  const agent = execa('ssh-agent', ['-D', '-a', socket], { reject: false });
  const encrypt = async (sshd: Sshd): Promise<void> => {
    await execa('ssh-add', ['-q', sshd.keyFile], { env: { SSH_AUTH_SOCK: socket }, reject: true });
    await execa('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'secret', '-f', sshd.keyFile]);
    // IdentityAgent in the configuration would win over the environment.
    await writeFile(sshd.configFile, (await readFile(sshd.configFile, 'utf8')).replace(/.*IdentityAgent.*\n/, ''));
  };
  try {
    await using withAgent = await setUp({ prepare: encrypt, agentSocket: socket });
    await using without = await setUp({ prepare: encrypt });

    assert.equal(await ask(await withAgent.link.dialDocker('control')), '!');
    const failure = await without.link.dialDocker('control').catch((error: unknown) => error);
    assert.include(String(failure), 'ssh-add gives it to the agent');
  } finally {
    agent.kill('SIGTERM');
    await agent;
  }
});

test('jump hosts are gone over, each with its own host key checked', async () => {
  await using jump = await setUp();
  await using at = await setUp({
    prepare: async (sshd) => {
      const jumpConfig = (await readFile(jump.sshd.configFile, 'utf8')).replace('Host remote', 'Host jump');
      await writeFile(sshd.configFile, `${await readFile(sshd.configFile, 'utf8')}  ProxyJump jump\n${jumpConfig}`);
    },
  });

  assert.equal(await ask(await at.link.dialDocker('control')), '!');
  await jump.sshd.kill();
  assert.equal(await codeOf(at.link.dialDocker('bulk')), 'SSH_UNREACHABLE');
});

test('who names the same host shares one connection, which ends with the last of them', async () => {
  await using folder = await temporaryFolder();
  await using sshd = await startSshd(folder.path);
  await using engine = await startHostileEngine(join(folder.path, 'engine.sock'), (socket) => socket.write('!'));
  const deps = { log, agentSocket: undefined, acceptNewHostKeys: false };
  const pool = new SshPool();
  const destination = { host: 'remote', configFile: sshd.configFile };
  const open = (): SshLink => new SshLink(deps, destination, { kind: 'socket', path: engine.path }, pool);
  const first = open();
  await using second = open();
  const stream = await first.dialDocker('control');
  assert.equal(await ask(stream), '!');

  assert.equal(second.health().control.channels, 1);
  assert.equal(await ask(await second.dialDocker('control')), '!');
  await first[Symbol.asyncDispose]();
  await first[Symbol.asyncDispose]();
  assert.equal(await ask(await second.dialDocker('control')), '!');
  assert.equal(second.health().control.connections, 1);
  await second[Symbol.asyncDispose]();
  assert.equal(second.health().control.connections, 0);
  await using third = open();
  assert.equal(await ask(await third.dialDocker('control')), '!');
});

test('a port of the remote is reached, and an sshd that forbids it is told apart from a port where nobody is', async () => {
  const server = createServer((socket) => socket.end('from the port'));
  const port = await listenOnAnyPort(server);
  await using at = await setUp();
  await using forbidding = await setUp({ settings: ['AllowTcpForwarding no', 'AllowStreamLocalForwarding yes'] });

  assert.equal(await readAll(await at.link.dialPort(port)), 'from the port');
  assert.equal(await codeOf(at.link.checkForwarding()), 'none');
  assert.equal(await codeOf(forbidding.link.checkForwarding()), 'SSH_FORWARDING_REFUSED');
  server.close();
});

test('an sshd that forwards no unix sockets is told when Docker reaches no daemon there either', async () => {
  await using at = await setUp({ settings: ['AllowStreamLocalForwarding no'] });

  assert.equal(await codeOf(at.link.dialDocker('control')), 'DOCKER_UNAVAILABLE');
});

test('a daemon that is away for a moment is reached by its socket again, whatever answers for it meanwhile', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'docker'), "#!/bin/sh\nprintf 'HTTP/1.1 200 OK\\r\\n\\r\\n'\n", { mode: 0o755 });
  await using at = await setUp({ settings: [`SetEnv PATH=${folder.path}:/usr/bin:/bin`] });
  assert.equal(await ask(await at.link.dialDocker('control')), '!');

  await rename(at.engine.path, `${at.engine.path}.away`);
  const meanwhile = await readAll(await at.link.dialDocker('control'));
  await rename(`${at.engine.path}.away`, at.engine.path);

  assert.include(meanwhile, '200 OK');
  assert.equal(await ask(await at.link.dialDocker('control')), '!');
});

test('what comes in bulk is what was sent, with ciphers of every kind, keys that change on the way, and packets that come in parts', async () => {
  const sent = randomBytes(10_000_000);
  const server = createServer((socket) => socket.end(sent));
  const port = await listenOnAnyPort(server);

  for (const cipher of ['aes128-gcm@openssh.com', 'aes128-ctr', 'chacha20-poly1305@openssh.com']) {
    await using at = await setUp({ settings: [`Ciphers ${cipher}`, 'RekeyLimit 4M'], prepare: dialInParts });
    const came = await buffer(await at.link.dialPort(port));
    assert.isTrue(came.equals(sent), cipher);
  }
  server.close();
});

/** Puts something in front of sshd that cuts what it says within the last packet's authentication, and lets each part be read by itself. */
async function dialInParts(sshd: Sshd): Promise<void> {
  const passInParts = async (from: Socket, to: Socket): Promise<void> => {
    for await (const piece of from)
      for (const part of [piece.subarray(0, -8), piece.subarray(-8)]) {
        to.write(part);
        await setImmediate();
      }
  };
  const relay = createServer((near) => {
    const far = createConnection(sshd.port, sshd.host);
    near.pipe(far).on('error', () => undefined);
    near.on('error', () => undefined).once('close', () => relay.close());
    passInParts(far, near).catch(() => near.destroy());
  });
  await redirect(sshd, sshd.port, await listenOnAnyPort(relay));
}

/** Where the configuration and what is known of the host say that it listens. */
async function redirect(sshd: Sshd, from: number, to: number): Promise<void> {
  for (const file of [sshd.configFile, sshd.knownHostsFile])
    await writeFile(file, (await readFile(file, 'utf8')).replace(String(from), String(to)));
}
