// Runs the conformance suite against one streamer: the embedded one, a neko binary, or one that runs already.
//
//   npm run conformance -- [--neko embedded|PATH|URL] [FILE…]
//
// For a URL the passwords come from NEKO_ADMIN_PASSWORD and NEKO_USER_PASSWORD ("admin" and "neko" where unset), and the cases
// that need its display or flags of their own are skipped.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';
import { conformanceOf } from '../test/conformance/project.ts';
import type { Target } from '../test/conformance/target.ts';

const { values, positionals } = parseArgs({
  options: { neko: { type: 'string', default: 'embedded' } },
  allowPositionals: true,
});

const vitest = await startVitest(positionals, {
  config: false,
  root: fileURLToPath(new URL('..', import.meta.url)),
  watch: false,
  reporters: ['default', './test/closing-line-reporter.ts'],
  ...conformanceOf(streamerOf(values.neko)),
});
await vitest.close();

function streamerOf(neko: string): Target {
  if (neko === 'embedded') return { kind: 'embedded' };
  if (/^https?:/.test(neko)) {
    const { NEKO_ADMIN_PASSWORD: admin = 'admin', NEKO_USER_PASSWORD: user = 'neko' } = process.env;
    return { kind: 'url', url: neko.replace(/\/$/, ''), passwords: { admin, user } };
  }
  if (!existsSync(neko)) {
    console.error(`there is no ${neko}; --neko takes "embedded", the path of a neko binary, or a URL`);
    process.exit(2);
  }
  return { kind: 'binary', file: resolve(neko) };
}
