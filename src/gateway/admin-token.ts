import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayError } from '../errors.ts';
import { newHexSecret } from './secrets.ts';

/**
 * The administrator's token, from `DATA_DIR/admin-token`: 64 hex digits, made with mode 0600 at the first start.
 * Gateways that start at once in one folder agree on one token.
 * @throws GatewayError INTERNAL when the file holds something else.
 */
export async function loadAdminToken(dataDir: string): Promise<string> {
  const file = join(dataDir, 'admin-token');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const token = (await readIfThere(file)) ?? (await makeToken(file));
  if (!/^[0-9a-f]{64}$/.test(token))
    throw new GatewayError(
      'INTERNAL',
      `${file} does not hold 64 hex digits; remove it, and the next start makes a new one`,
    );
  return token;
}

async function makeToken(file: string): Promise<string> {
  const own = `${file}.${newHexSecret().slice(0, 16)}`;
  try {
    const handle = await open(own, 'wx', 0o600);
    await handle.writeFile(`${newHexSecret()}\n`);
    await handle.sync();
    await handle.close();
    // A link appears whole or not at all, and fails where another gateway was quicker; then its token counts.
    await link(own, file).catch(unlessExists);
  } finally {
    await rm(own, { force: true });
  }
  return (await readFile(file, 'utf8')).trim();
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function unlessExists(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
}
