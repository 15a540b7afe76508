import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import type { Environment } from '../config.ts';
import { ActionFailed, type Answer } from '../sdk/index.ts';
import { readActions } from './action-words.ts';
import { reachDesktop, reachGateway, REACH_USAGE } from './reach-desktop.ts';
import { untilSignal } from './signals.ts';
import { UsageError } from './usage-error.ts';

const USAGE = `usage: nekogate do [--gateway URL] SESSION ACTION...
       nekogate do [--gateway URL] SESSION < actions.json

Runs actions at a session's desktop, in order, and prints as JSON what became of each. An action is JSON, as docs/computer-use.md
has it, or one of: screenshot, cursor_position, move X Y, click [X Y], drag X Y X Y, scroll DX DY, key KEYS, type TEXT, wait MS.
Exits with 1 when one failed (those after it did not run), and with 2 when what was asked for is no action.

${REACH_USAGE}`;

export async function runDo(args: string[], environment: Environment): Promise<number> {
  // What comes after the session is no option: -3 may be a number, and a text anything.
  const end = args.findIndex((arg, index) => !arg.startsWith('-') && args[index - 1] !== '--gateway');
  const { values } = parseArgs({
    args: end === -1 ? args : args.slice(0, end),
    options: { gateway: { type: 'string' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [sessionId, ...words] = end === -1 ? [] : args.slice(end);
  if (sessionId === undefined) throw new UsageError(USAGE);
  const actions = readActions(words.length > 0 ? words : [await text(process.stdin)]);
  const signal = untilSignal();
  const reach = await reachGateway(environment, values.gateway);
  await using desktop = await reachDesktop(reach, sessionId, { role: 'controller', label: 'nekogate do', signal });
  try {
    const { results } = await desktop.act(actions, { signal });
    print(results);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof ActionFailed)) throw thrown;
    print(thrown.results);
    const { action, code, message } = thrown;
    process.stderr.write(`nekogate: action ${action + 1} of ${actions.length}: ${code}: ${message}\n`);
    return 1;
  }
}

function print(results: Readonly<Answer['results']>): void {
  process.stdout.write(`${JSON.stringify(results)}\n`);
}
