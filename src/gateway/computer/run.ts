import type { Action } from '../../computer/actions.ts';
import { runActions, type ActionResult, type Desk, type RunOptions } from '../../computer/executor.ts';
import { GatewayError } from '../../errors.ts';
import type { Size } from '../../computer/space.ts';
import type { AccessRow } from '../store/tables.ts';
import type { Program } from './programs.ts';
import type { LookOptions } from './sight.ts';

/** As `runActions`, at the desktop of this program; what comes after its screen has got another size fails with CONFLICT. */
export async function runAt(
  program: Program,
  actions: readonly Action[],
  options: RunOptions,
): Promise<ActionResult[]> {
  const { driver, sight } = program;
  const look = lookAt(program);
  const onSameScreen = async <T>(seen: Promise<T>): Promise<T> => {
    const done = await seen;
    refuseIfResized(look.screen, driver.screen);
    return done;
  };
  const desk: Desk = {
    perform: async (events, signal) => {
      // Keys go where they went, and have to come up.
      if (events.some(({ type }) => type === 'move')) refuseIfResized(look.screen, driver.screen);
      await driver.perform(events, signal);
    },
    findPointer: look.findPointer,
    takePicture: (request, signal) => onSameScreen(sight.take(request, { ...look, signal })),
    settle: (request, signal) => onSameScreen(sight.settle(request, { ...look, signal })),
  };
  return await runActions(actions, desk, options);
}

/** Its places and pictures are of the screen as it was. */
function refuseIfResized(was: Size, is: Size): void {
  if (was.width === is.width && was.height === is.height) return;
  const [before, now] = [was, is].map(({ width, height }) => `${width}x${height}`);
  throw new GatewayError('CONFLICT', `the screen has become ${now}, and was ${before} when the call began; look again`);
}

/** What a picture of this program's screen is taken by. */
export function lookAt({ driver }: Program): Omit<LookOptions, 'signal'> {
  return { screen: driver.screen, findPointer: (signal) => driver.findPointer(signal) };
}

export function mayDrive({ role }: Pick<AccessRow, 'role'>): boolean {
  return role !== 'viewer';
}
