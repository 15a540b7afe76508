import { accessSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GatewayError } from '../errors.ts';
import { findExecutable, isExecutable } from '../process/executable.ts';

/** What runs as a session's streamer: `file` with `args` before neko's own. */
export interface Streamer {
  kind: 'neko' | 'embedded';
  file: string;
  args: string[];
}

/**
 * The streamer of this machine: NEKO_BIN, else `neko` on PATH, else the embedded one.
 * @throws GatewayError DEPENDENCY_MISSING when NEKO_BIN names nothing that can be run: what was asked for is never replaced quietly
 */
export function findStreamer(environment: { nekoBin: string | undefined; path: string }): Streamer {
  const { nekoBin, path } = environment;
  if (nekoBin !== undefined) {
    if (!isExecutable(nekoBin))
      throw new GatewayError(
        'DEPENDENCY_MISSING',
        `NEKO_BIN is ${nekoBin}, which is no executable file; correct or unset it`,
      );
    return { kind: 'neko', file: nekoBin, args: [] };
  }
  const neko = findExecutable('neko', path);
  if (neko !== undefined) return { kind: 'neko', file: neko, args: [] };
  return { kind: 'embedded', file: process.execPath, args: [embeddedEntry()] };
}

/** The embedded streamer's program, beside this file in the source tree and in the built package alike. */
function embeddedEntry(): string {
  const here = fileURLToPath(import.meta.url);
  const extension = basename(here).endsWith('.ts') ? 'ts' : 'js';
  const entry = fileURLToPath(new URL(`./embedded/main.${extension}`, import.meta.url));
  try {
    accessSync(entry);
  } catch (cause) {
    throw new GatewayError(
      'DEPENDENCY_MISSING',
      `the embedded streamer is not at ${entry}: this installation is incomplete`,
      { cause },
    );
  }
  return entry;
}
