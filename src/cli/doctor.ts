import { parseArgs } from 'node:util';
import type { Environment } from '../config.ts';
import { canRunDesktop, examineMachine, type Finding } from '../doctor.ts';

const USAGE = `usage: nekogate doctor [--json]

What this machine can do, and what to install; exits with 1 when no desktop can run here.
`;

export async function runDoctor(args: string[], environment: Environment): Promise<number> {
  const { values } = parseArgs({ args, options: { json: { type: 'boolean' }, help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const findings = await examineMachine(environment);
  const canRun = canRunDesktop(findings);
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ canRunDesktop: canRun, findings })}\n`);
  } else {
    process.stdout.write(`${findings.map(inWords).join('\n')}\n\n`);
    process.stdout.write(canRun ? 'Desktops can run here.\n' : 'No desktop can run here yet.\n');
  }
  return canRun ? 0 : 1;
}

function inWords({ name, ok, isNeeded, detail, fix }: Finding): string {
  const mark = ok ? 'ok      ' : isNeeded ? 'MISSING ' : 'without ';
  return `${mark} ${name.padEnd(21)} ${detail}${fix === undefined ? '' : `\n${' '.repeat(31)}→ ${fix}`}`;
}
