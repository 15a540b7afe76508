// kill -9 of whoever keeps a folder in step, while files come on both sides.
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { assert, test } from 'vitest';
import { seededRandom } from '../../../test/harness/random.ts';
import { look, setUpSynced } from '../../../test/harness/synced-setting.ts';

const FIXTURE = fileURLToPath(new URL('../../../test/fixtures/keeps-in-step.ts', import.meta.url));
const SEED = Math.floor(Math.random() * 2 ** 31);
const KILLS = 5;
const FILES = 30;
/** Emptied folders pause. */
const FILES_MIN = 4;
const SIZE_MAX = 300_000;
/** Of each life, from a part of the first look to some changes carried. */
const LIFE_MAX_MS = 700;
const EDIT_MAX_MS = 15;

test(`killed again and again under load, it loses nothing of either side (seed ${SEED})`, async () => {
  await using at = await setUpSynced();
  const random = seededRandom(SEED);
  const whole = new Set<string>();
  await mkdir(at.there, { recursive: true });
  await mkdir(join(at.path, 'fresh'));
  await mkdir(join(at.path, 'graves'));
  let count = 0;
  const write = async (): Promise<string> => {
    const bytes = Buffer.from(`${count++} `.repeat(1 + Math.floor((random() * SIZE_MAX) / 8)));
    const fresh = join(at.path, 'fresh', String(count));
    await writeFile(fresh, bytes);
    whole.add(sumOf(bytes));
    return fresh;
  };
  const namesIn = async (side: string): Promise<string[]> =>
    (await readdir(side)).filter((name) => !name.startsWith('.nekogate-part-'));
  const bury = async (side: string): Promise<string> => {
    const names = await namesIn(side);
    const path = join(side, names[Math.floor(random() * names.length)] ?? '');
    if (names.length >= FILES_MIN) await rename(path, join(at.path, 'graves', `${count++}`)).catch(() => undefined);
    return path;
  };
  /** Over nothing: what is put there in the very moment before a sync does would not be seen. */
  const editBeside = async (side: string): Promise<void> => {
    if (random() < 0.3) await bury(side);
    else await rename(await write(), join(side, `file-${count}`));
  };
  /** Whole from the first moment, and what was there before is laid aside. */
  const editOver = async (side: string): Promise<void> => rename(await write(), await bury(side));
  for (let files = 0; files < FILES; files++) await rename(await write(), join(at.here, `file-${count}`));

  for (let kills = 0; kills < KILLS; kills++) {
    const child = execa(process.execPath, [FIXTURE, at.sshd.configFile, at.here, at.there, at.memoryDir], {
      reject: false,
      stdin: 'ignore',
    });
    await Promise.race([once(child.stdout, 'data'), child]);
    const deadline = performance.now() + random() * LIFE_MAX_MS;
    while (performance.now() < deadline) {
      await editBeside(random() < 0.5 ? at.here : at.there);
      await sleep(random() * EDIT_MAX_MS);
    }
    child.kill('SIGKILL');
    await child;
    // The remote's end of the connection may still be at work.
    await editOver(at.here);
    await editBeside(at.there);
  }
  const folder = at.open();
  await folder.sync();

  const now = await look(at.here);
  assert.deepEqual(await look(at.there), now);
  const seen = new Set<string>();
  for (const entry of await readdir(at.path, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) seen.add(sumOf(await readFile(join(entry.parentPath, entry.name))));
  assert.deepEqual(
    [...whole].filter((sum) => !seen.has(sum)),
    [],
  );
  // Whole, and none of nobody's making.
  for (const [path, text] of Object.entries(now)) assert.isTrue(whole.has(sumOf(Buffer.from(text.slice(4)))), path);
});

function sumOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
