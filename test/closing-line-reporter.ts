import type { Reporter, TestModule } from 'vitest/node';

/** Prints `N passed, N failed, N skipped` as the run's last line, for programs that read only that. */
export default class ClosingLineReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const states = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state));
    const count = (state: string): number => states.filter((each) => each === state).length;
    // A file that could not be loaded, and an error outside any test, count as failures: they have no test to show it.
    const broken = modules.filter(
      (module) => module.state() === 'failed' && [...module.children.allTests('failed')].length === 0,
    );
    const failed = count('failed') + broken.length + unhandledErrors.length;
    // oxlint-disable-next-line no-console -- a reporter writes to the console
    process.on('exit', () => console.log(`${count('passed')} passed, ${failed} failed, ${count('skipped')} skipped`));
  }
}
