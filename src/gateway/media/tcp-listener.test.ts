import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'vitest';
import { classes, encodeTcpFrame, Message, methods, splitTcpFrames } from 'werift';
import { ControlPlane } from '../../../test/harness/control-plane.ts';
import type { ScriptedAgent } from '../../../test/harness/scripted-agent.ts';

const UFRAG = 'abcdEFGH';

/** A gateway that takes media over TCP, an agent, and one login that was offered that. */
async function openOffered() {
  await using opening = new AsyncDisposableStack();
  const plane = opening.use(await ControlPlane.start({ tcpMedia: { host: '127.0.0.1', port: 0, addresses: [] } }));
  const agent = opening.use(await plane.connectAgent());
  const sessionId = await plane.startSession();
  const loginId = randomUUID();
  offer(agent, { sessionId, loginId });
  const owned = opening.move();
  return { plane, agent, sessionId, loginId, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function offer(agent: ScriptedAgent, { sessionId, loginId }: { sessionId: string; loginId: string }): void {
  agent.send('media.offered', { sessionId, loginId, plans: ['tcp'], reason: 'a test', candidates: [], ufrag: UFRAG });
}

async function dial(agent: ScriptedAgent): Promise<Socket> {
  const [endpoint] = agent.tcpMedia;
  assert(endpoint);
  const socket = connect(endpoint.port, endpoint.address);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

function check(ufrag = UFRAG): Buffer {
  const message = new Message(methods.BINDING, classes.REQUEST);
  message.setAttribute('USERNAME', `${ufrag}:browser`);
  return encodeTcpFrame(message.bytes);
}

/** The agent's end of the tunnel that a connection got, and the datagrams that come by it. */
async function tunnelOf(agent: ScriptedAgent) {
  const { ticket, ...request } = await agent.nextMediaRequest();
  const wire = await agent.dial(ticket);
  assert(typeof wire !== 'number');
  const until = async (count: number): Promise<Buffer[]> => {
    while (wire.datagrams.length < count) await once(wire.socket, 'message');
    return wire.datagrams;
  };
  return { request, wire, until };
}

async function untilClosed(socket: Socket): Promise<'closed'> {
  socket.resume();
  if (!socket.closed) await once(socket, 'close');
  return 'closed';
}

test('the first check says whose connection it is, and from it on each frame is a datagram, both ways', async () => {
  await using offered = await openOffered();
  const socket = await dial(offered.agent);
  const frames: Buffer[] = [];
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const split = splitTcpFrames(Buffer.concat([rest, chunk]));
    frames.push(...split.frames);
    rest = split.rest;
  });

  const packet = check();
  socket.write(Buffer.concat([packet, encodeTcpFrame(Buffer.from('one'))]));
  const tunnel = await tunnelOf(offered.agent);
  socket.write(encodeTcpFrame(Buffer.from('two')));

  const [first, ...others] = await tunnel.until(3);
  assert.deepEqual([tunnel.request.sessionId, tunnel.request.loginId], [offered.sessionId, offered.loginId]);
  assert.deepEqual(first, packet.subarray(2));
  assert.deepEqual(others.map(String), ['one', 'two']);
  tunnel.wire.socket.send(Buffer.from('three'));
  tunnel.wire.socket.send(Buffer.from('four'));
  while (frames.length < 2) await once(socket, 'data');
  assert.deepEqual(frames.map(String), ['three', 'four']);
});

test('a connection that comes a byte at a time is understood all the same', async () => {
  await using offered = await openOffered();
  const socket = await dial(offered.agent);
  socket.setNoDelay(true);

  for (const byte of Buffer.concat([encodeTcpFrame(Buffer.alloc(0)), check(), encodeTcpFrame(Buffer.from('one'))]))
    await new Promise((resolve) => socket.write(Buffer.of(byte), resolve));

  const tunnel = await tunnelOf(offered.agent);
  assert.equal(String((await tunnel.until(2))[1]), 'one');
});

test('a viewer that is quicker than its agent’s word waits for it', async () => {
  await using offered = await openOffered();
  const socket = await dial(offered.agent);
  const loginId = randomUUID();

  socket.write(check('quickOne'));
  offered.agent.send('media.offered', {
    sessionId: offered.sessionId,
    loginId,
    plans: ['tcp'],
    reason: '',
    candidates: [],
    ufrag: 'quickOne',
  });
  const request = offered.agent.nextMediaRequest();
  // Browsers repeat their checks.
  const again = setInterval(() => socket.write(check('quickOne')), 20);

  assert.equal((await request).loginId, loginId);
  clearInterval(again);
  socket.destroy();
});

test.each([
  ['a frame that is longer than a datagram may be', Buffer.from([0xff, 0xff, 1, 2, 3])],
  ['a web request', Buffer.from('GET / HTTP/1.1\r\nHost: gateway\r\n\r\n')],
  ['a TLS hello', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])],
])('%s ends a connection at once', async (_, bytes) => {
  await using offered = await openOffered();
  const socket = await dial(offered.agent);

  socket.write(bytes);

  assert.equal(await untilClosed(socket), 'closed');
});

test('a connection that doesn’t show whose it is, by nothing, noise or another’s check, ends in time, and a right one goes on beside it', async () => {
  await using offered = await openOffered();
  const { agent } = offered;
  const silent = await dial(agent);
  const noisy = await dial(agent);
  const stranger = await dial(agent);
  noisy.write(encodeTcpFrame(Buffer.alloc(200, 7)));
  stranger.write(check('somebodyElse'));
  const right = await dial(agent);
  right.write(check());
  const tunnel = await tunnelOf(agent);

  await Promise.all([silent, noisy, stranger].map(untilClosed));

  right.write(encodeTcpFrame(Buffer.from('still here')));
  assert.equal(String((await tunnel.until(2))[1]), 'still here');
});

test('strangers of one address can’t take all connections', async () => {
  await using offered = await openOffered();
  const sockets = await Promise.all(Array.from({ length: 65 }, () => dial(offered.agent)));

  await Promise.race(sockets.map(untilClosed));

  assert.equal(sockets.filter(({ closed }) => closed).length, 1);
});

test('a login has only so many connections', async () => {
  await using offered = await openOffered();
  for (let count = 0; count < 8; count += 1) {
    (await dial(offered.agent)).write(check());
    await tunnelOf(offered.agent);
  }

  const ninth = await dial(offered.agent);
  ninth.write(check());

  assert.equal(await untilClosed(ninth), 'closed');
});

test.each(['the agent ends its tunnel', 'the gateway shuts down', 'the agent can’t reach the streamer'])(
  'a connection ends when %s',
  async (what) => {
    await using offered = await openOffered();
    const socket = await dial(offered.agent);
    socket.write(check());
    if (what.includes('reach')) {
      const { tunnelId } = await offered.agent.nextMediaRequest();
      offered.agent.send('tunnel.refused', { tunnelId, error: { code: 'NOT_FOUND', message: 'no media' } });
    } else {
      const { wire } = await tunnelOf(offered.agent);
      if (what.includes('tunnel')) wire.socket.close(1000);
      else await offered.plane.gateway.stop();
    }

    assert.equal(await untilClosed(socket), 'closed');
  },
);

test('the tunnel ends with the connection', async () => {
  await using offered = await openOffered();
  const socket = await dial(offered.agent);
  socket.write(check());
  const { wire } = await tunnelOf(offered.agent);

  socket.destroy();

  assert.equal((await wire.closed).code, 1000);
});

test.each(['withdrawn by its agent', 'lost with its agent'])(
  'a login that is %s is not known any more',
  async (what) => {
    await using offered = await openOffered();
    const { agent, plane, sessionId, loginId } = offered;
    if (what.startsWith('withdrawn')) agent.send('media.withdrawn', { loginId });
    else agent.drop();

    assert.deepEqual(await viewersOnce(plane, sessionId, (viewers) => viewers.length === 0), []);
  },
);

test('an agent can’t speak for another’s login', async () => {
  await using offered = await openOffered();
  await using other = await offered.plane.connectAgent({ agentId: 'host-2' });

  offer(other, offered);
  offer(other, { sessionId: offered.sessionId, loginId: randomUUID() });
  other.send('media.withdrawn', { loginId: offered.loginId });
  // What it says is read in order, so that this was read after all of it.
  const closed = other.closed;
  other.control.close(1000);
  await closed;
  (await dial(offered.agent)).write(check());

  assert.equal((await offered.agent.nextMediaRequest()).loginId, offered.loginId);
});

test('what a login was offered, and what it took, is told to who may know', async () => {
  await using offered = await openOffered();
  const { agent, plane, sessionId, loginId } = offered;
  agent.send('media.used', { sessionId, loginId, rung: 'vnc' });
  agent.send('media.used', { sessionId, loginId, rung: 'tcp' });
  const viewer = await plane.grant(sessionId, 'controller');

  const viewers = await viewersOnce(plane, sessionId, ([one]) => one?.used === 'tcp');
  assert.deepEqual(viewers, [{ loginId, plans: ['tcp'], reason: 'a test', candidates: [], used: 'tcp' }]);
  const refused = await plane.call('GET', `/api/v1/sessions/${sessionId}/diagnostics`, { token: viewer.token });
  assert.equal(refused.status, 403);
  const { body: metrics } = await plane.call('GET', '/metrics');
  assert.match(metrics, /nekogate_media_total\{rung="tcp"\} 1/);
  assert.match(metrics, /nekogate_media_seconds_total\{rung="vnc"\} \d/);
});

/** What the diagnostics say of a session's viewers, once that fits. */
async function viewersOnce(
  plane: ControlPlane,
  sessionId: string,
  fits: (viewers: { used?: string }[]) => boolean,
): Promise<unknown> {
  for (;;) {
    const { body } = await plane.call('GET', `/api/v1/sessions/${sessionId}/diagnostics`);
    if (fits(body.viewers)) return body.viewers;
  }
}
