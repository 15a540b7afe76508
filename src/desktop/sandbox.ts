import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { execa } from 'execa';
import { GatewayError } from '../errors.ts';
import { findExecutable } from '../process/executable.ts';

/** Chromium and what is made of it, as commands. */
export const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** It takes milliseconds. */
const PROBE_MS = 5000;
/** Chromium's other sandbox: a helper that is root by its mode. */
const HELPERS = ['/usr/lib/chromium/chrome-sandbox', '/opt/google/chrome/chrome-sandbox'];

/**
 * Chromium ends at once where it can't put its renderers into a sandbox. This says so before, with the way out; it is never run
 * without its sandbox unless it was told to be.
 * @throws GatewayError SESSION_START_FAILED
 */
export async function requireSandbox(file: string, args: readonly string[], path: string): Promise<void> {
  if (!BROWSERS.includes(basename(file)) || args.includes('--no-sandbox')) return;
  const reason = await whyNoNamespaces(path);
  if (reason === undefined || canUseHelper()) return;
  throw new GatewayError(
    'SESSION_START_FAILED',
    `${basename(file)} can't have its sandbox here, for it may not make user namespaces (${reason}). In a container: run it with ` +
      '--security-opt seccomp=seccomp.json, the profile beside the image. On a host whose kernel forbids it: ' +
      'sysctl kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)',
  );
}

/** Tries what Chromium does: user, process and network namespaces without privileges, and a root folder of its own in them. */
async function whyNoNamespaces(path: string): Promise<string | undefined> {
  const unshare = findExecutable('unshare', path);
  if (unshare === undefined) return undefined;
  const args = ['--user', '--map-root-user', '--pid', '--net', '--fork', 'chroot', '/', 'true'];
  const env = { PATH: `${path}:/usr/sbin` };
  const tried = await execa(unshare, args, {
    env,
    extendEnv: false,
    stdin: 'ignore',
    reject: false,
    timeout: PROBE_MS,
  });
  return tried.exitCode === 0 ? undefined : (tried.stderr.split('\n')[0] ?? tried.shortMessage ?? 'unshare failed');
}

/** no_new_privs takes its mode away. */
function canUseHelper(): boolean {
  if (/^NoNewPrivs:\s*1$/m.test(readFileSync('/proc/self/status', 'utf8'))) return false;
  return HELPERS.some((helper) => {
    const stat = statSync(helper, { throwIfNoEntry: false });
    return stat !== undefined && stat.uid === 0 && (stat.mode & 0o4000) !== 0;
  });
}
