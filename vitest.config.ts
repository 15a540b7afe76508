import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'scripts/**/*.test.ts'],
    environment: 'node',
    // Real desktops, browsers and databases on small machines: generous waits, and few at once.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    setupFiles: ['./test/warnings-fail.ts'],
    reporters: ['default', './test/closing-line-reporter.ts'],
  },
});
