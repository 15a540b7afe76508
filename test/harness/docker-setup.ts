// Once for all tests on Docker: a dockerd, and the images of this tree in it.
import type { TestProject } from 'vitest/node';
import { readEnvironment } from '../../src/config.ts';
import { openDocker } from './docker.ts';
import { ensureImages } from './images.ts';

declare module 'vitest' {
  interface ProvidedContext {
    dockerHost: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await using opening = new AsyncDisposableStack();
  const docker = opening.use(await openDocker(readEnvironment().dockerHost));
  await ensureImages(docker);
  project.provide('dockerHost', docker.host);
  const owned = opening.move();
  return () => owned.disposeAsync();
}
