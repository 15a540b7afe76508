import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Docker } from './docker.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What the images stand on, by the name that they have in a registry. */
const BASE = 'debian:trixie-slim';
const MIRROR = 'http://deb.debian.org/debian';
/** Of a machine whose network opens TLS, its own certificates are in there. */
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

/** A desktop with the embedded streamer, which needs no image but Debian's. */
export const DESKTOP_IMAGE = 'nekogate/desktop:test';
export const GATEWAY_IMAGE = 'nekogate/gateway:test';

/** Builds the images of this tree: minutes the first time, seconds when nothing has changed. */
export async function ensureImages(docker: Docker): Promise<void> {
  await ensureBase(docker);
  await build(docker, 'desktop', DESKTOP_IMAGE, ['--build-arg', 'STREAMER=embedded']);
  await build(docker, 'gateway', GATEWAY_IMAGE);
}

/** The images of others that our compose file names, from Debian's packages, for no registry may be reached from here. */
export async function ensureStandIns(docker: Docker): Promise<{ postgres: string; coturn: string }> {
  const images = { postgres: 'postgres:stand-in', coturn: 'coturn/coturn:stand-in' };
  for (const [name, tag] of Object.entries(images)) {
    const file = `test/fixtures/stand-ins/${name}.Dockerfile`;
    await docker.run(['build', '--network', 'host', '--file', file, '--tag', tag, 'test/fixtures/stand-ins'], {
      cwd: ROOT,
    });
  }
  return images;
}

/** testcontainers' Ryuk, which removes what its users leave behind, on the image of the desktop. */
export async function ensureRyuk(docker: Docker): Promise<string> {
  const tag = 'nekogate/ryuk:stand-in';
  const folder = join(ROOT, 'test/fixtures/stand-ins');
  await docker.run(['build', '--file', join(folder, 'ryuk.Dockerfile'), '--tag', tag, folder]);
  return tag;
}

/** The profile of a desktop's container, as `--security-opt` takes it from a file. */
export const SECCOMP_FILE = join(ROOT, 'images/desktop/seccomp.json');

async function build(docker: Docker, name: string, tag: string, args: readonly string[] = []): Promise<void> {
  const secrets = existsSync(CERTIFICATES) ? ['--secret', `id=ca,src=${CERTIFICATES}`] : [];
  // The host's own network, for its name servers and mirrors are what is known to work here.
  const common = ['--network', 'host', '--progress', 'plain', '--build-arg', `DEBIAN=${BASE}`, ...secrets];
  await docker.run(['build', '--file', `images/${name}/Dockerfile`, '--tag', tag, ...common, ...args, '.'], {
    cwd: ROOT,
  });
}

async function ensureBase(docker: Docker): Promise<void> {
  if (await isThere(docker, BASE)) return;
  try {
    await pullPinned(docker);
  } catch {
    // No registry from here: a Debian of the same release and packages, from Debian's own mirror.
    await makeBase(docker);
  }
}

async function isThere(docker: Docker, image: string): Promise<boolean> {
  return (await docker.run(['image', 'ls', '--quiet', image])) !== '';
}

/** The very image that the Dockerfiles name. */
async function pullPinned(docker: Docker): Promise<void> {
  const dockerfile = await readFile(join(ROOT, 'images/desktop/Dockerfile'), 'utf8');
  const pinned = /^ARG DEBIAN=(\S+)$/m.exec(dockerfile)?.[1];
  if (pinned === undefined) throw new Error('images/desktop/Dockerfile names no Debian image');
  await docker.run(['pull', '--quiet', pinned]);
  await docker.run(['tag', pinned, BASE]);
}

async function makeBase(docker: Docker): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'nekogate-debian-'));
  try {
    await execa('nice', ['debootstrap', '--variant=minbase', 'trixie', folder, MIRROR]);
    // As the slim images have it: no manuals, no translations.
    const kinds = ['doc', 'man', 'locale', 'info'];
    const rules = kinds.map((kind) => `path-exclude /usr/share/${kind}/*\n`).join('');
    await writeFile(join(folder, 'etc/dpkg/dpkg.cfg.d/slim'), rules);
    const unwanted = [...kinds.map((kind) => `usr/share/${kind}`), 'var/cache/apt', 'var/lib/apt/lists'];
    for (const path of unwanted) await execa('find', [join(folder, path), '-mindepth', '1', '-delete']);
    const archive = join(folder, '..', `${folder.split('/').at(-1)}.tar`);
    try {
      await execa('tar', ['--directory', folder, '--create', '--file', archive, '.']);
      await docker.run(['import', '--change', 'CMD ["bash"]', archive, BASE]);
    } finally {
      await rm(archive, { force: true });
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
