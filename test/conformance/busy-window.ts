import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Xvnc } from '../harness/xvnc.ts';

const SCRIPT = 'i=0; while :; do i=$((i+1)); echo "$i $i $i $i $i"; sleep 0.03; done';

/** A small window in the lower right corner that never stops changing, so that there is always a frame to send. */
export function openBusyWindow(xvnc: Xvnc): AsyncDisposable {
  const child = spawn('xterm', ['-geometry', '20x4-0-0', '-e', 'sh', '-c', SCRIPT], {
    stdio: 'ignore',
    env: { ...xvnc.env, PATH: '/usr/bin:/bin' },
  });
  const ended = once(child, 'exit');
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
