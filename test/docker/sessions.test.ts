import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { inject, test } from 'vitest';
import { z } from 'zod';
import { enterVncServer } from '../../src/agent/vnc/server.ts';
import { connectApi, findAdminToken, type CallApi } from '../../src/cli/api.ts';
import { readRuntimeChoice } from '../../src/cli/runtime.ts';
import { readEnvironment } from '../../src/config.ts';
import { framesOf, isBlue, isGreen, isRed, middleOf, openBrowser, stateOf } from '../harness/browser.ts';
import { startCoturn } from '../harness/coturn.ts';
import { dockerAt } from '../harness/docker.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, startDesktop, until } from '../harness/house.ts';
import { DESKTOP_IMAGE } from '../harness/images.ts';
import { ownAddress } from '../harness/own-address.ts';
import { Launched, WindowList } from '../../src/protocol/tools.ts';
import { startProgram, type Program } from '../harness/programs.ts';
import { RfbClient } from '../harness/rfb-client.ts';
import { untilLive } from '../harness/viewer.ts';

test("people watch and drive a container's desktop over UDP ports that Docker publishes", async () => {
  const runtime = readRuntimeChoice({ runtime: 'docker', image: DESKTOP_IMAGE, 'udp-range': '23000-23015' });
  await using house = await openHouse({ runtime, agentId: newAgentId(), dockerHost: inject('dockerHost') });
  const sessionId = await startDesktop(house, await terminal('painted-terminal.sh'));
  const { viewUrl } = await grant(house, sessionId, 'controller');
  await using browser = await openBrowser();
  const page = await openPage(browser);

  await page.goto(viewUrl);
  await untilLive(page);
  await until('blue', () => middleOf(page), isBlue);
  await page.mouse.click(400, 300);
  await until('red', () => middleOf(page), isRed);
  await page.keyboard.type('typed');
  await page.keyboard.press('Enter');
  await until('green', () => middleOf(page), isGreen);

  const { port = 0 } = await mediaOf(page);
  assert.ok(port >= 23_000 && port <= 23_015, `media come from port ${port}`);
  const docker = dockerAt(inject('dockerHost'));
  assert.equal(await docker.run(['exec', `nekogate-${sessionId}`, 'cat', '/tmp/typed']), 'typed');
  await house.callApi('DELETE', `/api/v1/sessions/${sessionId}`, z.unknown());
  assert.equal(await docker.run(['ps', '--all', '--quiet', '--filter', `label=nekogate.session=${sessionId}`]), '');
});

test.for(['turn', 'tcp'])("a container's desktop is watched by nothing but %s", async (plan) => {
  await using coturn = await startCoturn();
  const runtime = readRuntimeChoice({ runtime: 'docker', image: DESKTOP_IMAGE, 'udp-range': '23000-23015' });
  await using house = await openHouse({
    runtime,
    agentId: newAgentId(),
    dockerHost: inject('dockerHost'),
    nat1to1: [ownAddress()],
    turn: coturn.servers,
    tcpMedia: { host: '0.0.0.0', port: 0, addresses: [] },
  });
  const sessionId = await startDesktop(house, await terminal('painted-terminal.sh'));
  const { viewUrl } = await grant(house, sessionId, 'controller');
  const url = new URL(viewUrl);
  url.searchParams.set('ice', plan);
  await using browser = await openBrowser();
  const page = await openPage(browser);

  await page.goto(url.href);
  await untilLive(page);
  await until('blue', () => middleOf(page), isBlue);
  await page.mouse.click(400, 300);
  await until('red', () => middleOf(page), isRed);

  const Diagnostics = z.object({ viewers: z.array(z.object({ used: z.string() })) });
  const { viewers } = await house.callApi('GET', `/api/v1/sessions/${sessionId}/diagnostics`, Diagnostics);
  assert.deepEqual(viewers, [{ used: plan }]);
});

test("VNC clients drive a container's desktop and programs use its tools, and both servers know nobody but its agent", async () => {
  const runtime = readRuntimeChoice({ runtime: 'docker', image: DESKTOP_IMAGE, 'udp-range': '23300-23315' });
  await using house = await openHouse({ runtime, agentId: newAgentId(), dockerHost: inject('dockerHost') });
  const sessionId = await startDesktop(house, await terminal('painted-terminal.sh'));
  await using ending = new AsyncDisposableStack();
  ending.defer(() => house.callApi('DELETE', `/api/v1/sessions/${sessionId}`, z.unknown()).then(() => undefined));
  const { token } = await grant(house, sessionId, 'controller');
  await using client = await RfbClient.open(house.gateway.url, sessionId, token);
  const untilColour = (colour: string): Promise<unknown> =>
    until(
      colour,
      async () => {
        await client.refresh();
        return client.pixel(400, 500);
      },
      (pixel) => pixel === colour,
    );

  await untilColour('2040c0');
  client.click(400, 300);
  await untilColour('c00000');

  const docker = dockerAt(inject('dockerHost'));
  const address = await docker.run([
    'inspect',
    '--format',
    '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}',
    `nekogate-${sessionId}`,
  ]);
  const ask = async (method: string, path: string, body?: string): Promise<string> => {
    const response = await fetch(`${house.gateway.url}/api/v1/sessions/${sessionId}/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(path === 'launch' && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    assert.ok(response.ok, text);
    return text;
  };
  await ask('PUT', 'files/work/in', 'from outside');
  const command = ['xterm', '-T', 'at work', '-e', 'sh', '-c', 'tr a-z A-Z < work/in > out; mv out work/done; cat'];
  const launched = Launched.parse(JSON.parse(await ask('POST', 'launch', JSON.stringify({ command, waitMs: 20_000 }))));
  await until(
    'the work is done',
    () => ask('GET', 'files/work/'),
    (list) => list.includes('"done"'),
  );
  assert.equal(launched.window?.title, 'at work');
  assert.equal(await ask('GET', 'files/work/done'), 'FROM OUTSIDE');
  const owner = await docker.run(['exec', `nekogate-${sessionId}`, 'stat', '-c', '%u', '/home/nekogate/work/in']);
  assert.equal(owner, '1000');
  const stranger = await fetch(`http://${address}:8090/listWindows`, { method: 'POST', body: '{}' });
  assert.equal(stranger.status, 401);
  const uninvited = enterVncServer({ at: { host: address, port: 5900 } }, new AbortController().signal);
  await assert.rejects(uninvited, { code: 'VNC_FAILED', message: /security types 2/ });
});

test.for<['killed' | 'ended', NodeJS.Signals]>([
  ['killed', 'SIGKILL'],
  ['ended', 'SIGTERM'],
])(
  'when its agent is %s a session goes on with who watches it, and the next agent takes it over with them',
  async ([, signal]) => {
    await using world = await openWorld();
    await using browser = await openBrowser();
    const page = await openPage(browser);
    const session = await world.start(await terminal('busy-terminal.sh'));
    const { viewUrl, token } = await world.callApi(
      'POST',
      `/api/v1/sessions/${session}/access`,
      z.object({ viewUrl: z.string(), token: z.string() }),
      { role: 'controller' },
    );
    await page.goto(viewUrl);
    await until(
      'the picture',
      () => stateOf(page),
      (state) => state === 'live',
    );
    const container = await world.containerOf(session);
    const media = await mediaOf(page);
    assert.notEqual(media.port, undefined);

    await world.end(signal);
    const atKill = await framesOf(page);
    await until(
      'frames without an agent',
      () => framesOf(page),
      (frames) => frames > atKill + 15,
    );
    await world.startAgent();
    await until(
      'it runs, says the gateway',
      () => world.stateOf(session),
      (state) => state === 'running',
    );
    const login = async () =>
      (
        await world.callApi(
          'GET',
          `/api/v1/sessions/${session}/logins`,
          z.object({ logins: z.array(z.object({ state: z.string() })) }),
        )
      ).logins;
    await until('the viewer is back', login, (logins) => logins.length === 1 && logins[0]?.state === 'live');
    const atReturn = await framesOf(page);
    await until(
      'frames after it',
      () => framesOf(page),
      (frames) => frames > atReturn + 15,
    );

    assert.equal(await world.containerOf(session), container);
    const windows = await fetch(`${world.url}/api/v1/sessions/${session}/windows`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(WindowList.parse(await windows.json()).windows.length, 1);
    // The very same media connection.
    assert.deepEqual(await mediaOf(page), media);
    assert.equal(await stateOf(page), 'live');
  },
);

test('a container that is paused goes on, and a home is there again when its hibernated session is woken', async () => {
  const runtime = readRuntimeChoice({ runtime: 'docker', image: DESKTOP_IMAGE, 'udp-range': '23200-23215' });
  const agentId = newAgentId();
  const docker = dockerAt(inject('dockerHost'));
  await using after = new AsyncDisposableStack();
  after.defer(async () => {
    await docker.run(['volume', 'rm', '--force', `nekogate-home-${agentId}`]);
  });
  await using house = await openHouse({ runtime, agentId, dockerHost: inject('dockerHost') });
  const Session = z.object({ id: z.string(), state: z.string() });
  const session = await house.callApi('POST', '/api/v1/sessions?wait=ready', Session, {
    app: await terminal('busy-terminal.sh'),
    audio: false,
    screen: { width: 400, height: 300 },
    home: agentId,
  });
  await using ending = new AsyncDisposableStack();
  ending.defer(async () => {
    await house.callApi('DELETE', `/api/v1/sessions/${session.id}`, Session);
  });
  const container = `nekogate-${session.id}`;
  const act = async (action: string): Promise<string> =>
    (await house.callApi('POST', `/api/v1/sessions/${session.id}/${action}?wait=ready`, Session)).state;
  await docker.run(['exec', container, 'touch', '/home/nekogate/kept']);

  const paused = await act('pause');
  const frozen = await docker.run(['inspect', '--format', '{{.State.Paused}}', container]);
  const resumed = await act('resume');
  await using browser = await openBrowser();
  const page = await openPage(browser);
  const { viewUrl } = await grant(house, session.id, 'viewer');
  await page.goto(viewUrl);
  const untilFrames = (count: number) =>
    until(
      'frames',
      () => framesOf(page),
      (frames) => frames > count,
    );
  await untilFrames(15);
  const hibernated = await act('hibernate');
  const left = await docker.run(['ps', '--all', '--quiet', '--filter', `label=nekogate.session=${session.id}`]);
  const woken = await act('wake');
  await page.goto('about:blank');
  await page.goto(viewUrl);
  await untilFrames(15);

  assert.deepEqual(
    [paused, frozen, resumed, hibernated, left, woken],
    ['paused', 'true', 'running', 'hibernated', '', 'running'],
  );
  assert.equal(await docker.run(['exec', container, 'ls', '/home/nekogate/kept']), '/home/nekogate/kept');
});

test('prune shows what a dead agent left, and removes it when told to', async () => {
  await using world = await openWorld();
  const session = await world.start(['xterm']);
  const prune = async (...args: string[]): Promise<string> => {
    const program = startProgram(
      ['agent', '--runtime', 'docker', '--prune', '--id', world.agentId, ...args],
      world.env,
    );
    await program.exited;
    return program.output();
  };

  const alive = await prune('--yes');
  await world.end('SIGKILL');
  const shown = await prune();
  const container = await world.containerOf(session);
  const removed = await prune('--yes');
  const nothing = await prune();

  assert.match(alive, /left nothing here/);
  assert.match(shown, new RegExp(`container\t${container.slice(0, 12)}\t${session}\trunning`));
  assert.match(shown, /network\t/);
  assert.match(shown, /--yes removes these/);
  assert.equal(removed.split('\n').length, 3);
  assert.match(nothing, /left nothing here/);
});

interface World extends AsyncDisposable {
  url: string;
  callApi: CallApi;
  agentId: string;
  env: Record<string, string>;
  start(app: string[]): Promise<string>;
  stateOf(sessionId: string): Promise<string>;
  containerOf(sessionId: string): Promise<string>;
  end(signal: NodeJS.Signals): Promise<void>;
  startAgent(): Promise<void>;
}

/** Gateway and agent as programs of their own. */
async function openWorld(): Promise<World> {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const data = join(folder.path, 'data');
  const docker = dockerAt(inject('dockerHost'));
  const env = { NEKOGATE_DATA_DIR: data, NEKOGATE_RUNTIME_DIR: join(folder.path, 'run'), DOCKER_HOST: docker.host };
  const agentId = newAgentId();
  const gateway = opening.use(startProgram(['gateway', '--port', '0'], env));
  const url = (await gateway.until(/"url":"(http:[^"]+)"/))[1] ?? '';
  const callApi = connectApi(url, await findAdminToken({ ...readEnvironment(), adminToken: undefined, dataDir: data }));
  const { key } = await callApi('POST', '/api/v1/agents', z.object({ key: z.string() }), { id: agentId });
  const agents: Program[] = [];
  const startAgent = async (): Promise<void> => {
    const args = ['agent', '--gateway', url, '--id', agentId, '--runtime', 'docker', '--image', DESKTOP_IMAGE];
    const agent = startProgram([...args, '--udp-range', '23100-23115'], { ...env, NEKOGATE_AGENT_KEY: key });
    agents.push(agent);
    await agent.until(/connected to the gateway/);
  };
  opening.defer(async () => {
    for (const agent of agents) await agent[Symbol.asyncDispose]();
    // A test that failed between two agents left its container.
    await startProgram(['agent', '--runtime', 'docker', '--prune', '--yes', '--id', agentId], env).exited;
  });
  await startAgent();
  const owned = opening.move();
  return {
    url,
    callApi,
    agentId,
    env,
    startAgent,
    start: async (app) => {
      const body = { app, audio: false, screen: { width: 400, height: 300 } };
      return (
        await callApi(
          'POST',
          '/api/v1/sessions?wait=ready',
          z.object({ id: z.string(), state: z.literal('running') }),
          body,
        )
      ).id;
    },
    stateOf: async (sessionId) =>
      (await callApi('GET', `/api/v1/sessions/${sessionId}`, z.object({ state: z.string() }))).state,
    containerOf: (sessionId) => docker.run(['ps', '--quiet', '--no-trunc', '--filter', `name=nekogate-${sessionId}`]),
    end: async (signal) => {
      agents.at(-1)?.kill(signal);
      await agents.at(-1)?.exited;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function newAgentId(): string {
  return `test-${randomBytes(4).toString('hex')}`;
}

/** One of the test programs for terminals, which are not in the image, with /tmp/typed to write to. */
async function terminal(script: string): Promise<string[]> {
  const text = await readFile(fileURLToPath(new URL(`../fixtures/${script}`, import.meta.url)), 'utf8');
  return ['xterm', '-fullscreen', '-bg', '#2040c0', '-fg', 'white', '-e', 'sh', '-c', text, 'sh', '/tmp/typed'];
}

declare global {
  var madeConnections: RTCPeerConnection[] | undefined;
}

/** A page that remembers the WebRTC connections that it makes. */
async function openPage(browser: Browser): Promise<Page> {
  const page = await browser.newPage();
  await page.addInitScript(() => {
    const made: RTCPeerConnection[] = [];
    const Real = RTCPeerConnection;
    globalThis.RTCPeerConnection = class extends Real {
      constructor(configuration?: RTCConfiguration) {
        super(configuration);
        made.push(this);
      }
    };
    globalThis.madeConnections = made;
  });
  return page;
}

/** How many WebRTC connections a page has made, and the port that the last one's media come from. */
function mediaOf(page: Page): Promise<{ connections: number; port: number | undefined }> {
  return page.evaluate(async () => {
    const made = globalThis.madeConnections ?? [];
    const all = new Map<string, Record<string, unknown>>();
    (await made.at(-1)?.getStats())?.forEach((entry: Record<string, unknown>) => all.set(String(entry['id']), entry));
    const transport = [...all.values()].find(({ type }) => type === 'transport');
    const pair = all.get(String(transport?.['selectedCandidatePairId']));
    const port = all.get(String(pair?.['remoteCandidateId']))?.['port'];
    return { connections: made.length, port: typeof port === 'number' ? port : undefined };
  });
}
