// Claim: a session in a container is watched three seconds after it was asked for, one out of a warm pool after 0.7 s, and one host of
// two cores holds twenty that idle.
// The peer is Docker itself: `docker run` of the same image with the same ports and limits, and its neko joined directly.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import { z } from 'zod';
import { readRuntimeChoice } from '../src/cli/runtime.ts';
import { readEnvironment } from '../src/config.ts';
import { NekoClient } from '../src/neko/client.ts';
import { openBrowser } from '../test/harness/browser.ts';
import { openDocker, type Docker } from '../test/harness/docker.ts';
import { grant, openHouse, startDesktop, until, type House } from '../test/harness/house.ts';
import { DESKTOP_IMAGE, ensureImages, SECCOMP_FILE } from '../test/harness/images.ts';
import { close, median, round } from './run.ts';
import { joinViewer, leaveViewer } from './viewer.ts';

const STARTS = 5;
const SLICES = [1, 8, 16, 32];
const SLICE_RUNS = 3;
const IDLE_SESSIONS = 20;
const IDLE_SETTLE_MS = 15_000;
const IDLE_WINDOW_MS = 10_000;
const APP = ['xterm'];
const SPEC = { audio: false, screen: { width: 800, height: 600 } };
const POOL = 'bench';
const POOL_FILLED_MS = 60_000;
/** A pool that was just filled is still busy: a claim in use follows a quiet moment. */
const POOL_SETTLE_MS = 3000;
const RUN_FLAGS = [
  '--detach',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges',
  `--security-opt=seccomp=${SECCOMP_FILE}`,
];
const LIMITS = ['--memory=2g', '--cpus=2', '--pids-limit=512', '--shm-size=512m'];

await using docker = await openDocker(readEnvironment().dockerHost);
await ensureImages(docker);
const runtime = readRuntimeChoice({ runtime: 'docker', image: DESKTOP_IMAGE, 'udp-range': '54000-54999' });
const agentId = `bench-${randomBytes(4).toString('hex')}`;
await using house = await openHouse({ runtime, agentId, maxSessions: IDLE_SESSIONS, dockerHost: docker.host });
await using browser = await openBrowser();
const page = await browser.newPage();
await page.goto(house.gateway.url);

const ours: number[] = [];
const removals: number[] = [];
const theirs: number[] = [];
for (let i = 0; i < STARTS; i++) {
  const { startMs, removeMs } = await startThroughGateway(house, page);
  ours.push(startMs);
  removals.push(removeMs);
  theirs.push(await startByHand(docker, page));
}
const claims: number[] = [];
await house.callApi('POST', '/api/v1/templates', z.unknown(), { id: POOL, spec: { ...SPEC, app: APP }, warm: 1 });
for (let i = 0; i < STARTS; i++) claims.push(await claimWarm(house, page));
await house.callApi('DELETE', `/api/v1/templates/${POOL}`, z.unknown());
await untilNone();
console.table({
  'asked for → first frame': {
    'out of a warm pool, median ms': round(median(claims), 0),
    'through gateway and agent, median ms': round(median(ours), 0),
    'docker run and joined directly, median ms': round(median(theirs), 0),
    ratio: round(median(ours) / median(theirs), 2),
  },
});

const slices: Record<string, { 'start ms': number; 'remove ms': number }> = {};
for (const size of SLICES) slices[`${size} UDP ports published`] = await publishCost(docker, size);
console.table(slices);

const sessions: string[] = [];
for (let i = 0; i < IDLE_SESSIONS; i++) sessions.push(await startDesktop(house, APP));
await sleep(IDLE_SETTLE_MS);
const idle = await measureIdle(docker, agentId);
console.table({ [`each of ${sessions.length} idle sessions`]: idle });

close(
  'sessions',
  {
    coldMedianMs: round(median(ours), 0),
    warmMedianMs: round(median(claims), 0),
    dockerMedianMs: round(median(theirs), 0),
    removeMedianMs: round(median(removals), 0),
    startWith8Ms: slices['8 UDP ports published']?.['start ms'] ?? Number.NaN,
    removeWith8Ms: slices['8 UDP ports published']?.['remove ms'] ?? Number.NaN,
    idleSessions: sessions.length,
    idleCpuPercent: idle['CPU % of one core'],
    idleMemoryMb: idle['memory MB'],
  },
  {
    coldMs: { value: round(median(ours), 0), max: 3000 },
    warmMs: { value: round(median(claims), 0), max: 700 },
    idleSessionsMissing: { value: IDLE_SESSIONS - sessions.length, max: 0 },
  },
);

async function startThroughGateway(at: House, inPage: Page): Promise<{ startMs: number; removeMs: number }> {
  const askedAt = performance.now();
  const sessionId = await startDesktop(at, APP);
  await watch(at, inPage, sessionId);
  const startMs = performance.now() - askedAt;
  await leaveViewer(inPage);
  const removedAt = performance.now();
  await at.callApi('DELETE', `/api/v1/sessions/${sessionId}?wait=stopped`, z.unknown());
  await until(
    'the container is gone',
    () => docker.run(['ps', '--all', '--quiet', '--filter', `label=nekogate.session=${sessionId}`]),
    (ids) => ids === '',
  );
  return { startMs, removeMs: performance.now() - removedAt };
}

/** Resolves with the time from the order to the first frame, once the pool is full again before it. */
async function claimWarm(at: House, inPage: Page): Promise<number> {
  const Pool = z.object({ sessions: z.array(z.object({ id: z.string() })) });
  await until(
    'the pool is full',
    () => at.callApi('GET', '/api/v1/sessions?state=warm', Pool),
    ({ sessions: warm }) => warm.length > 0,
    POOL_FILLED_MS,
  );
  await sleep(POOL_SETTLE_MS);
  const askedAt = performance.now();
  const { id } = await at.callApi('POST', '/api/v1/sessions?wait=ready', z.object({ id: z.string() }), {
    template: POOL,
  });
  await watch(at, inPage, id);
  const claimMs = performance.now() - askedAt;
  await leaveViewer(inPage);
  await at.callApi('DELETE', `/api/v1/sessions/${id}`, z.unknown());
  return claimMs;
}

/** Resolves with the first frame. */
async function watch(at: House, inPage: Page, sessionId: string): Promise<void> {
  const { token } = await grant(at, sessionId, 'viewer');
  const url = at.gateway.url.replace('http', 'ws') + `/s/${sessionId}/api/ws`;
  await joinViewer(inPage, url, ['nekogate.v1', `access.${token}`]);
}

async function untilNone(): Promise<void> {
  await until(
    'the pool is gone',
    () => docker.run(['ps', '--all', '--quiet', '--filter', `label=nekogate.agent=${agentId}`]),
    (ids) => ids === '',
  );
}

async function startByHand(at: Docker, inPage: Page): Promise<number> {
  const adminPassword = randomBytes(24).toString('base64url');
  const settings = {
    NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD: adminPassword,
    NEKO_WEBRTC_EPR: '53900-53907',
    NEKO_WEBRTC_NAT1TO1: '127.0.0.1',
    NEKOGATE_APP: JSON.stringify(APP),
  };
  const environment = Object.entries(settings).map(([name, value]) => `--env=${name}=${value}`);
  const askedAt = performance.now();
  const id = await at.run([
    'run',
    ...RUN_FLAGS,
    ...LIMITS,
    '--publish=53900-53907:53900-53907/udp',
    ...environment,
    DESKTOP_IMAGE,
  ]);
  try {
    const address = await at.run(['inspect', '--format', '{{.NetworkSettings.IPAddress}}', id]);
    const neko = new NekoClient({ baseUrl: `http://${address}:8080`, adminPassword });
    const login = await until(
      'a login',
      () => neko.login('bench', 'viewer').catch(() => undefined),
      (made) => made !== undefined,
    );
    await joinViewer(inPage, neko.socketUrl(login?.token ?? ''));
    const startMs = performance.now() - askedAt;
    await leaveViewer(inPage);
    return startMs;
  } finally {
    await at.run(['rm', '--force', '--volumes', id]);
  }
}

/** What Docker takes to start and remove a container that does nothing, by the ports that it publishes. */
async function publishCost(at: Docker, size: number): Promise<{ 'start ms': number; 'remove ms': number }> {
  const starts: number[] = [];
  const removes: number[] = [];
  const range = `53900-${53_900 + size - 1}`;
  for (let i = 0; i < SLICE_RUNS; i++) {
    const askedAt = performance.now();
    const id = await at.run([
      'run',
      '--detach',
      `--publish=${range}:${range}/udp`,
      '--entrypoint=sleep',
      DESKTOP_IMAGE,
      '60',
    ]);
    const startedAt = performance.now();
    await at.run(['rm', '--force', id]);
    starts.push(startedAt - askedAt);
    removes.push(performance.now() - startedAt);
  }
  return { 'start ms': round(median(starts), 0), 'remove ms': round(median(removes), 0) };
}

/** Medians over the agent's containers, from their control groups. */
async function measureIdle(at: Docker, ofAgent: string): Promise<{ 'CPU % of one core': number; 'memory MB': number }> {
  const ids = (await at.run(['ps', '--no-trunc', '--quiet', '--filter', `label=nekogate.agent=${ofAgent}`])).split(
    '\n',
  );
  const before = ids.map(cpuSeconds);
  await sleep(IDLE_WINDOW_MS);
  const cpu = ids.map((id, index) => ((cpuSeconds(id) - (before[index] ?? 0)) / (IDLE_WINDOW_MS / 1000)) * 100);
  return { 'CPU % of one core': round(median(cpu), 2), 'memory MB': round(median(ids.map(memoryMb)), 1) };
}

function cpuSeconds(id: string): number {
  const v1 = readGroup(`/sys/fs/cgroup/cpuacct/docker/${id}/cpuacct.usage`);
  if (v1 !== undefined) return Number(v1) / 1e9;
  const v2 =
    readGroup(`/sys/fs/cgroup/system.slice/docker-${id}.scope/cpu.stat`) ??
    readGroup(`/sys/fs/cgroup/docker/${id}/cpu.stat`);
  return Number(/^usage_usec (\d+)/m.exec(v2 ?? '')?.[1] ?? Number.NaN) / 1e6;
}

/** Without the page cache of its files, which the kernel takes back when it needs it. */
function memoryMb(id: string): number {
  const v1 = readGroup(`/sys/fs/cgroup/memory/docker/${id}/memory.stat`);
  const v2 =
    readGroup(`/sys/fs/cgroup/system.slice/docker-${id}.scope/memory.stat`) ??
    readGroup(`/sys/fs/cgroup/docker/${id}/memory.stat`);
  const bytes = v1 === undefined ? /^anon (\d+)/m.exec(v2 ?? '')?.[1] : /^total_rss (\d+)/m.exec(v1)?.[1];
  return Number(bytes ?? Number.NaN) / 1024 / 1024;
}

function readGroup(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // The other version of control groups.
    return undefined;
  }
}
