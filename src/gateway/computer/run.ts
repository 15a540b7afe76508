import type { Action } from '../../computer/actions.ts';
import { runActions, type ActionResult, type Desk, type RunOptions } from '../../computer/executor.ts';
import type { AccessRow } from '../store/tables.ts';
import type { Program } from './programs.ts';
import type { LookOptions } from './sight.ts';

/** As `runActions`, at the desktop of this program. */
export async function runAt(
  program: Program,
  actions: readonly Action[],
  options: RunOptions,
): Promise<ActionResult[]> {
  const { driver, sight } = program;
  const look = lookAt(program);
  const desk: Desk = {
    perform: (events, signal) => driver.perform(events, signal),
    findPointer: look.findPointer,
    takePicture: (request, signal) => sight.take(request, { ...look, signal }),
    settle: (request, signal) => sight.settle(request, { ...look, signal }),
  };
  return await runActions(actions, desk, options);
}

/** What a picture of this program's screen is taken by. */
export function lookAt({ driver }: Program): Omit<LookOptions, 'signal'> {
  return { screen: driver.screen, findPointer: (signal) => driver.findPointer(signal) };
}

export function mayDrive({ role }: Pick<AccessRow, 'role'>): boolean {
  return role !== 'viewer';
}
