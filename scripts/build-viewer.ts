// Bundles the browser code into dist/viewer, which the gateway serves at /assets/. Does nothing when no input has changed.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile, version } from 'esbuild';
import { z } from 'zod';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const OUTPUT = join(ROOT, 'dist', 'viewer');
/** What the last build was made of. */
const RECORD = join(OUTPUT, '.build.json');

const BuildRecord = z.object({ inputs: z.array(z.string()).min(1), outputs: z.array(z.string()), hash: z.string() });

/**
 * Builds `viewer.js` (an ES module that defines the element), `vnc.js` (which it fetches to show a desktop by VNC), `view.js`, `view.css` and `view.html`, and the same
 * of `vnc-view` (a page that shows and drives a desktop by VNC alone), with source maps.
 * Resolves to whether anything had to be built. Files are replaced one by one, so that a gateway that runs never serves half a file.
 */
export async function buildViewer(): Promise<boolean> {
  if (await isCurrent()) return false;
  const scratch = join(ROOT, 'dist', `.viewer-${process.pid}`);
  try {
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: [
        { in: 'src/viewer/index.ts', out: 'viewer' },
        { in: 'src/viewer/vnc/vnc.ts', out: 'vnc' },
        { in: 'src/viewer/page/view.ts', out: 'view' },
        { in: 'src/viewer/page/view.css', out: 'view' },
        { in: 'src/viewer/page/view.html', out: 'view' },
        { in: 'src/viewer/page/vnc-view.ts', out: 'vnc-view' },
        { in: 'src/viewer/page/vnc-view.css', out: 'vnc-view' },
        { in: 'src/viewer/page/vnc-view.html', out: 'vnc-view' },
      ],
      outdir: scratch,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      minify: true,
      legalComments: 'none',
      sourcemap: 'linked',
      loader: { '.html': 'copy' },
      metafile: true,
      logLevel: 'error',
    });
    await publish(scratch, metafile);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return true;
}

async function publish(scratch: string, metafile: Metafile): Promise<void> {
  await mkdir(OUTPUT, { recursive: true });
  const outputs = Object.keys(metafile.outputs).map((path) => relative(scratch, join(ROOT, path)));
  await Promise.all(outputs.map((name) => rename(join(scratch, name), join(OUTPUT, name))));
  const inputs = Object.keys(metafile.inputs).toSorted();
  const record = { inputs, outputs, hash: await hashOf(inputs) };
  // Last: a build that was cut off is made again.
  await writeFile(join(scratch, 'record.json'), JSON.stringify(record));
  await rename(join(scratch, 'record.json'), RECORD);
}

async function isCurrent(): Promise<boolean> {
  try {
    const record = BuildRecord.parse(JSON.parse(await readFile(RECORD, 'utf8')));
    await Promise.all(record.outputs.map((name) => readFile(join(OUTPUT, name))));
    return record.hash === (await hashOf(record.inputs));
  } catch {
    // No record, a damaged one, or a file of it that is gone: all mean to build.
    return false;
  }
}

/** A new file can only matter once a file that was an input before names it, so the inputs of the last build are enough. */
async function hashOf(inputs: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(version);
  const own = relative(ROOT, fileURLToPath(import.meta.url));
  for (const path of [own, ...inputs]) hash.update(path).update(await readFile(join(ROOT, path)));
  return hash.digest('hex');
}

if (import.meta.main) {
  const isBuilt = await buildViewer();
  process.stdout.write(isBuilt ? 'viewer built into dist/viewer\n' : 'viewer is up to date\n');
}
