import type { Target } from './target.ts';

/** How vitest runs the suite against one streamer. */
export function conformanceOf(streamer: Target) {
  return {
    name: streamer.kind === 'binary' ? 'conformance of neko' : `conformance of ${streamer.kind}`,
    include: ['test/conformance/**/*.conformance.ts'],
    environment: 'node' as const,
    // Most cases take under a second; those with media take several on a machine that does much else.
    testTimeout: 25_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    // One that runs already is one room for all files.
    fileParallelism: streamer.kind !== 'url',
    provide: { streamer },
    setupFiles: ['./test/warnings-fail.ts'],
  };
}
