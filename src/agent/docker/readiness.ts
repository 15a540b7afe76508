import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../../errors.ts';
import { NekoClient } from '../../neko/client.ts';
import { describeEnd } from './ends.ts';
import type { DockerEngine } from './engine.ts';
import { NEKO_PORT } from './environment.ts';
import type { ContainerFacts } from './replies.ts';

/** From the container's start until neko has shown us its screen: measured 3 s for ours on an idle machine, and more for images that do much. */
const READY_MS = 90_000;
const POLL_MS = 100;
const INSPECT_MS = 500;

/** Lines of a container's log that go along when it fails. */
export const LOG_TAIL_LINES = 40;

export function baseUrlOf(address: string): string {
  return `http://${address}:${NEKO_PORT}`;
}

/** Whether neko answers. */
export async function isAlive(neko: { baseUrl: string; adminPassword: string }, signal: AbortSignal): Promise<boolean> {
  try {
    await new NekoClient(neko).health(signal);
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

/** Whether neko answers and has a frame. */
export async function isReady(neko: { baseUrl: string; adminPassword: string }, signal: AbortSignal): Promise<boolean> {
  const client = new NekoClient(neko);
  try {
    await client.health(signal);
    // Its address may have been another container's: only ours knows this password.
    await client.screenshot({ quality: 20, signal });
    return true;
  } catch {
    signal.throwIfAborted();
    return false;
  }
}

interface StartedContainer {
  id: string;
  adminPassword: string;
  memoryMb: number;
}

/**
 * Resolves with where a container's neko answers, once it does and a frame can be had.
 * @throws GatewayError SESSION_START_FAILED, OUT_OF_MEMORY with the end of its log
 */
export async function untilReady(
  engine: DockerEngine,
  container: StartedContainer,
  signal: AbortSignal,
): Promise<string> {
  const facts = await engine.inspect(container.id);
  if (facts?.address === undefined) throw await failed(engine, container, facts);
  const baseUrl = baseUrlOf(facts.address);
  const done = new AbortController();
  const until = AbortSignal.any([signal, done.signal]);
  try {
    // Side by side, for nobody answers at the address of a container that ended, and the kernel takes seconds to say so.
    await Promise.race([
      untilFrame({ baseUrl, adminPassword: container.adminPassword }, until),
      untilEnd(engine, container, until),
    ]);
    return baseUrl;
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  } finally {
    done.abort();
  }
}

async function untilFrame(neko: { baseUrl: string; adminPassword: string }, signal: AbortSignal): Promise<void> {
  while (!(await isReady(neko, signal))) await sleep(POLL_MS, undefined, { signal });
}

/** Never resolves. @throws once the container ended, or took too long */
async function untilEnd(engine: DockerEngine, container: StartedContainer, signal: AbortSignal): Promise<never> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    await sleep(INSPECT_MS, undefined, { signal });
    const facts = await engine.inspect(container.id);
    if (!facts?.isRunning) throw await failed(engine, container, facts);
    if (performance.now() < deadline) continue;
    const log = (await tail(engine, container.id)) || 'its container wrote nothing';
    throw new GatewayError('SESSION_START_FAILED', `neko showed no frame within ${READY_MS / 1000} s: ${log}`);
  }
}

async function failed(
  engine: DockerEngine,
  { id, memoryMb }: { id: string; memoryMb: number },
  facts: ContainerFacts | undefined,
): Promise<GatewayError> {
  const { code, message } = describeEnd(facts, memoryMb);
  return new GatewayError(
    code === 'CONTAINER_LOST' ? 'SESSION_START_FAILED' : code,
    `${message} before it was ready: ${await tail(engine, id)}`,
  );
}

async function tail(engine: DockerEngine, id: string): Promise<string> {
  return (await engine.logTail(id, LOG_TAIL_LINES)).join('\n');
}
