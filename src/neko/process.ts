import { setTimeout as sleep } from 'node:timers/promises';
import { GatewayError, messageOf } from '../errors.ts';
import { Child } from '../process/child.ts';
import { NekoClient } from './client.ts';
import type { Streamer } from './find.ts';
import { nekoCommand, type NekoOptions } from './options.ts';

/** Time from its start until it has shown us its screen; measured 0.3 s for neko, 0.7 s for the embedded one, on an idle machine. */
const READY_MS = 20_000;
const READY_POLL_MS = 40;

export function nekoBaseUrl({ host, port }: NekoOptions['http']): string {
  return `http://${host}:${port}`;
}

/**
 * Starts a streamer; resolves once it answers and has shown us its screen, or leaves nothing behind. `cwd` must be a
 * private folder, because neko reads a `neko.yaml` that it finds there.
 * @throws GatewayError NEKO_START_FAILED with the last lines of its log
 */
export async function startNeko(
  streamer: Streamer,
  options: NekoOptions,
  { cwd, signal }: { cwd: string; signal: AbortSignal },
): Promise<Child> {
  const { args, env } = nekoCommand(options);
  const client = new NekoClient({ baseUrl: nekoBaseUrl(options.http), adminPassword: options.secrets.adminPassword });
  try {
    return await Child.start(
      { name: 'the streamer', file: streamer.file, args: [...streamer.args, ...args], env, cwd, readyMs: READY_MS },
      (_child, untilExit) => untilReady(client, untilExit),
      signal,
    );
  } catch (cause) {
    signal.throwIfAborted();
    throw new GatewayError('NEKO_START_FAILED', messageOf(cause), { cause });
  }
}

async function untilReady(client: NekoClient, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await client.health(signal);
      break;
    } catch {
      // Not listening yet; the child's exit or the deadline ends this.
      await sleep(READY_POLL_MS, undefined, { signal });
    }
  }
  // The port may be another program's: only our streamer knows our password.
  await client.screenshot({ quality: 20, signal });
}
