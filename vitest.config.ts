import { defineConfig } from 'vitest/config';
import { readEnvironment } from './src/config.ts';
import { conformanceOf } from './test/conformance/project.ts';

const { nekoBin } = readEnvironment();

export default defineConfig({
  test: {
    // Real desktops, browsers and databases on small machines: few at once, and generous waits.
    maxWorkers: 2,
    reporters: ['default', './test/closing-line-reporter.ts'],
    projects: [
      {
        test: {
          name: 'tests',
          include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
          exclude: ['test/docker/**', 'test/network/**'],
          environment: 'node',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          setupFiles: ['./test/warnings-fail.ts'],
        },
      },
      {
        test: {
          name: 'docker',
          include: ['test/docker/**/*.test.ts'],
          environment: 'node',
          globalSetup: ['./test/harness/docker-setup.ts'],
          // Containers of one file would count as another's leftovers.
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          setupFiles: ['./test/warnings-fail.ts'],
        },
      },
      {
        test: {
          name: 'network',
          include: ['test/network/**/*.test.ts'],
          environment: 'node',
          setupFiles: ['./test/warnings-fail.ts'],
          // After all others, alone: beside them a busy machine looks like a bad network.
          sequence: { groupOrder: 1 },
        },
      },
      { test: conformanceOf({ kind: 'embedded' }) },
      ...(nekoBin === undefined ? [] : [{ test: conformanceOf({ kind: 'binary', file: nekoBin }) }]),
    ],
  },
});
