import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { test } from 'vitest';
import { z } from 'zod';
import { endLeftovers } from '../../src/agent/runtimes/process-leftovers.ts';
import { connectApi, findAdminToken, type CallApi } from '../../src/cli/api.ts';
import { readEnvironment } from '../../src/config.ts';
import { listSessionFolders } from '../../src/desktop/folder.ts';
import { readOrder } from '../../src/desktop/state.ts';
import { NekoClient } from '../../src/neko/client.ts';
import { openBrowser, stateOf } from '../harness/browser.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { samplesOf, showOwnPicture, startSampling, type Sample } from '../harness/frames.ts';
import { until } from '../harness/house.ts';
import { startProgram, type Program } from '../harness/programs.ts';
import { openTcpProxy } from '../harness/tcp-proxy.ts';

/** Frames at peace are counted for so long before something is broken, and for so long after all is well again. */
const PEACE_MS = 4000;
const SCREEN = { width: 400, height: 300, rate: 25 };
/** What every second of the picture has at least, of what it had at peace. */
const RATE_MIN = 0.8;

interface Fault {
  what: string;
  cause: (world: World) => Promise<void>;
}

const FAULTS: Fault[] = [
  {
    what: 'the gateway is killed and started anew',
    cause: async (world) => {
      await world.kill('gateway');
      await world.startGateway();
    },
  },
  {
    what: 'the agent is killed and started anew',
    cause: async (world) => {
      await world.kill('agent');
      await world.startAgent();
    },
  },
  { what: "the viewer's link is cut", cause: async (world) => world.cutLink() },
];

test.for(FAULTS)(
  'when $what, the picture goes on at its full rate, and control and login stay',
  { timeout: 120_000 },
  async ({ cause }) => {
    await using world = await openWorld();
    const { page, neko } = world;
    const typed = (): Promise<string> => readFile(world.typed, 'utf8').catch(() => '');
    await until('the terminal has the keyboard', async () => (await drive(page), typed()), Boolean);
    const login = await loginOf(world);
    const atNeko = await viewerAt(neko);
    assert.equal((await neko.controlStatus()).host_id, atNeko.id);
    await pause(PEACE_MS);
    const brokenAt = Date.now();

    await cause(world);
    const back = await until(
      'the viewer is back',
      () => findLogin(world),
      (now) => now !== undefined && now.since > login.since,
    );
    await until(
      'the viewer says so',
      () => stateOf(page),
      (state) => state === 'live',
    );
    await pause(PEACE_MS);

    assert.equal(back?.loginId, login.loginId);
    // The same login, and the same WebRTC connection, at the streamer; and it still has the controls.
    assert.deepEqual(await viewerAt(neko), atNeko);
    assert.equal((await neko.controlStatus()).host_id, atNeko.id);
    await page.keyboard.press('z');
    await until('the key that was pressed then', typed, (text) => text.endsWith('z'));
    assertFullRate(await samplesOf(page), await samplesOf(world.bystander), brokenAt);
  },
);

/** A click into the terminal, and a key: which of the first ones is taken is the window manager's to say. */
async function drive(page: Page): Promise<void> {
  await page.mouse.click(200, 150);
  await page.keyboard.press('b');
}

/** The viewer's login in the streamer's own books. */
async function viewerAt(neko: NekoClient): Promise<{ id: string; watchingSince: string | undefined }> {
  const [viewer] = await neko.sessions();
  assert.ok(viewer?.state.is_connected && viewer.state.is_watching);
  return { id: viewer.id, watchingSince: viewer.state.watching_since };
}

type Login = { loginId: string; since: string };

async function findLogin({ callApi, sessionId }: World): Promise<Login | undefined> {
  const Live = z.object({ loginId: z.string(), since: z.string(), state: z.enum(['live', 'lost']) });
  const path = `/api/v1/sessions/${sessionId}/logins`;
  // While the gateway is away it doesn't answer.
  const { logins } = await callApi('GET', path, z.object({ logins: z.array(Live) })).catch(() => ({ logins: [] }));
  return logins.find(({ state }) => state === 'live');
}

async function loginOf(world: World): Promise<Login> {
  const login = await findLogin(world);
  assert.ok(login);
  return login;
}

interface World extends AsyncDisposable {
  callApi: CallApi;
  sessionId: string;
  /** The viewer. */
  page: Page;
  /** Shows a picture of its own: when that lacks frames, the machine is too busy to tell anything. */
  bystander: Page;
  neko: NekoClient;
  /** The file with all keys that reached the desktop. */
  typed: string;
  kill(program: 'gateway' | 'agent'): Promise<void>;
  startGateway(): Promise<void>;
  startAgent(): Promise<void>;
  cutLink(): void;
}

/** Gateway and agent as programs of their own, a desktop that never stands still, and a viewer that watches and drives it. */
async function openWorld(): Promise<World> {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const data = join(folder.path, 'data');
  const run = join(folder.path, 'run');
  const env = { NEKOGATE_DATA_DIR: data, NEKOGATE_RUNTIME_DIR: run };
  const programs: { gateway?: Program; agent?: Program } = {};
  opening.defer(async () => {
    await programs.agent?.[Symbol.asyncDispose]();
    await programs.gateway?.[Symbol.asyncDispose]();
    // A test that failed between two agents left its desktop.
    for (const left of listSessionFolders(run)) await endLeftovers(left);
  });
  const startGateway = async (port: string): Promise<string> => {
    const gateway = startProgram(['gateway', '--port', port], env);
    programs.gateway = gateway;
    return (await gateway.until(/"url":"(http:[^"]+)"/))[1] ?? '';
  };
  const url = await startGateway('0');
  const callApi = connectApi(url, await findAdminToken({ ...readEnvironment(), adminToken: undefined, dataDir: data }));
  const { key } = await callApi('POST', '/api/v1/agents', z.object({ key: z.string() }), { id: 'host-1' });
  const startAgent = async (): Promise<void> => {
    const agent = startProgram(['agent', '--gateway', url, '--id', 'host-1'], { ...env, NEKOGATE_AGENT_KEY: key });
    programs.agent = agent;
    await agent.until(/connected to the gateway/);
  };
  await startAgent();
  const typed = join(folder.path, 'typed');
  const sessionId = await startSession(callApi, typed);
  const link = opening.use(await openTcpProxy(Number(new URL(url).port)));
  const browser = opening.use(await openBrowser());
  const page = await openViewer(await browser.newPage(), { callApi, sessionId, port: link.port });

  const { ports, adminPassword } = await readOrder(listSessionFolders(run)[0] ?? '');
  const neko = new NekoClient({ baseUrl: `http://127.0.0.1:${ports.http}`, adminPassword });
  const bystander = await browser.newPage();
  await bystander.goto(url);
  await showOwnPicture(bystander, SCREEN.rate);
  await startSampling(bystander);
  await page.bringToFront();
  const owned = opening.move();
  return {
    callApi,
    sessionId,
    page,
    bystander,
    neko,
    typed,
    kill: async (name) => {
      programs[name]?.kill('SIGKILL');
      await programs[name]?.exited;
    },
    startGateway: async () => void (await startGateway(new URL(url).port)),
    startAgent,
    cutLink: () => link.cut(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startSession(callApi: CallApi, typed: string): Promise<string> {
  const program = fileURLToPath(new URL('../fixtures/busy-terminal.sh', import.meta.url));
  const Session = z.object({ id: z.string(), state: z.literal('running') });
  const { id } = await callApi('POST', '/api/v1/sessions?wait=ready', Session, {
    app: ['xterm', '-fullscreen', '-e', program, typed],
    audio: false,
    screen: SCREEN,
  });
  return id;
}

/** Through the gateway at this port. */
async function openViewer(
  page: Page,
  { callApi, sessionId, port }: { callApi: CallApi; sessionId: string; port: number },
): Promise<Page> {
  const { viewUrl } = await callApi('POST', `/api/v1/sessions/${sessionId}/access`, z.object({ viewUrl: z.string() }), {
    role: 'controller',
  });
  const url = new URL(viewUrl);
  url.port = String(port);
  await page.setViewportSize({ width: 400, height: 340 });
  await page.goto(url.href);
  await until(
    'the picture',
    () => stateOf(page),
    (state) => state === 'live',
  );
  await startSampling(page);
  return page;
}

interface Rate {
  /** When the second ended. */
  atMs: number;
  perSecond: number;
}

/** Every second from the fault on has as many frames as one has at peace. */
function assertFullRate(viewer: Sample[], bystander: Sample[], brokenAt: number): void {
  const rates = ratesOf(viewer);
  const others = ratesOf(bystander);
  const atPeace = ({ atMs }: Rate): boolean => atMs > brokenAt - PEACE_MS && atMs <= brokenAt;
  const full = median(rates.filter(atPeace)) * RATE_MIN;
  // A second in which the bystander lacked frames was the machine's, and says nothing.
  const isTelling = (rate: Rate): boolean =>
    others.filter((other) => isBeside(other, rate)).every(({ perSecond }) => perSecond >= SCREEN.rate * RATE_MIN);
  for (const rate of rates)
    if (rate.atMs > brokenAt && isTelling(rate)) assert.ok(rate.perSecond >= full, describeRates(rates, others));
}

/** Frames in each second, as it slides by half a second. */
function ratesOf(samples: Sample[]): Rate[] {
  return samples.slice(2).flatMap(({ atMs, frames }, index) => {
    const earlier = samples[index];
    return earlier ? [{ atMs, perSecond: ((frames - earlier.frames) * 1000) / (atMs - earlier.atMs) }] : [];
  });
}

function isBeside(one: Rate, other: Rate): boolean {
  return Math.abs(one.atMs - other.atMs) <= 1000;
}

function median(rates: Rate[]): number {
  const sorted = rates.map(({ perSecond }) => perSecond).toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function describeRates(...rates: Rate[][]): string {
  return rates.map((list) => list.map(({ perSecond }) => Math.round(perSecond)).join(' ')).join(' | beside: ');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
