import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { House } from './house.ts';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface CommandEnd {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `nekogate` to its end, as its administrator on the gateway's machine has it unless `env` says otherwise. */
export async function runNekogate(
  house: House,
  args: readonly string[],
  { input = '', env = {} }: { input?: string; env?: Record<string, string> } = {},
): Promise<CommandEnd> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...environmentOf(house), ...env } });
  const ended = once(child, 'close');
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await ended;
  return { code: child.exitCode, stdout, stderr };
}

/** What a command needs to find the house. */
export function environmentOf(house: House): Record<string, string> {
  const { path, dataDir } = house.environment;
  return { PATH: path, NEKOGATE_DATA_DIR: dataDir, NEKOGATE_URL: house.gateway.url };
}
