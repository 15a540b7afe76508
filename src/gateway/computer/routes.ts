import { z } from 'zod';
import { ACTIONS_MAX, Region, Tolerance, type Action } from '../../computer/actions.ts';
import { DialectName, dialectOf } from '../../computer/dialects/dialects.ts';
import type { Dialect } from '../../computer/dialects/dialect.ts';
import type { ActionResult, Failure } from '../../computer/executor.ts';
import { fitSize, regionToScreen, type Size } from '../../computer/space.ts';
import { GatewayError, toGatewayError } from '../../errors.ts';
import { ComputerAnswer, PictureFormat } from '../../protocol/computer.ts';
import { Id } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import { accessOf, untilGone } from '../calls.ts';
import type { Programs } from './programs.ts';
import { lookAt, mayDrive, runAt } from './run.ts';

/** A picture larger than any screen takes the gateway many seconds to make. */
const SIZE_MAX = 8192;

const Space = z.strictObject({ width: z.int().min(1).max(SIZE_MAX), height: z.int().min(1).max(SIZE_MAX) });
const IfUnchanged = z.strictObject({
  hash: z.string().max(128).describe('Of one of the last four pictures'),
  region: Region.optional().describe('Only this part of the picture counts'),
  tolerance: Tolerance,
});
const Body = z.strictObject({
  dialect: DialectName.default('nekogate').describe("Whose words the actions are in: our own, or a model's"),
  actions: z
    .array(z.unknown())
    .min(1)
    .max(ACTIONS_MAX)
    .describe('One action each, or one call of the model each: a tool_use, a computer_call'),
  space: Space.optional().describe(
    "The size of the pictures, in whose pixels the coordinates are; left out, the screen's, made smaller where the dialect's models would",
  ),
  ifUnchanged: IfUnchanged.optional().describe(
    'Do nothing, and fail as SCREEN_CHANGED, if the screen is another than in this picture',
  ),
  format: PictureFormat.default('jpeg').describe('What a picture is where its action does not say'),
});

const Params = z.object({ sessionId: Id });

export interface ComputerDeps {
  programs: Programs;
}

/** Programs see and drive a desktop. */
export function addComputerRoutes(app: App, deps: ComputerDeps): void {
  app.post(
    '/api/v1/sessions/:sessionId/computer',
    {
      config: { allow: 'member' },
      schema: {
        tags: ['computer'],
        summary:
          'Run actions at the desktop, in order, up to the first that fails; 200 also then, with what became of each',
        params: Params,
        body: Body,
        response: { 200: ComputerAnswer },
      },
    },
    async ({ principal, id: requestId, ip: address, body }, reply) => {
      const access = accessOf(principal);
      const calls = readCalls(dialectOf(body.dialect), body.actions);
      return await deps.programs.use(access, { address, requestId }, untilGone(reply), async (program, signal) => {
        const { screen } = program.driver;
        const stale = body.ifUnchanged;
        const { limits } = dialectOf(body.dialect);
        const space: Size = body.space ?? (limits ? fitSize(screen, limits) : screen);
        if ('error' in calls) return failedAnswer(body, space, calls);
        const results = await runAt(program, calls.actions, {
          view: { space, screen, format: body.format },
          mayDrive: mayDrive(access),
          ...(stale && {
            before: async () => {
              const region = stale.region && regionToScreen(stale.region, space, screen);
              await program.sight.refuseIfChanged({ ...stale, region }, { ...lookAt(program), signal });
            },
          }),
          signal,
        });
        return answerOf(body, space, calls.owners, results);
      });
    },
  );
}

/** The actions of all calls, and which call each is of. */
interface ReadCalls {
  actions: Action[];
  owners: number[];
}

interface BadCall {
  call: number;
  error: Failure;
}

/** Nothing runs where one call can't be read. */
function readCalls(dialect: Dialect, calls: readonly unknown[]): ReadCalls | BadCall {
  const actions: Action[] = [];
  const owners: number[] = [];
  for (const [call, raw] of calls.entries()) {
    try {
      const read = dialect.read(raw);
      if (actions.length + read.length > ACTIONS_MAX)
        throw new GatewayError('ACTION_INVALID', `with this one there are more than ${ACTIONS_MAX} actions`);
      actions.push(...read);
      owners.push(...read.map(() => call));
    } catch (thrown) {
      const { code, message, retryable } = toGatewayError(thrown);
      return { call, error: { code, message, retryable } };
    }
  }
  return { actions, owners };
}

type Asked = z.infer<typeof Body>;

function failedAnswer(
  { dialect, actions }: Asked,
  space: Size,
  { call, error }: BadCall,
): z.input<typeof ComputerAnswer> {
  const results = actions.map((_, index): ActionResult => {
    const type = 'unknown';
    return index === call ? { type, outcome: 'failed', ms: 0, error } : { type, outcome: 'skipped' };
  });
  const owners = actions.map((_, index) => index);
  return answerOf({ dialect, actions }, space, owners, results);
}

function answerOf(
  { dialect, actions: calls }: Pick<Asked, 'dialect' | 'actions'>,
  space: Size,
  owners: readonly number[],
  results: readonly ActionResult[],
): z.input<typeof ComputerAnswer> {
  const owned = results.map((result, index) => ({ call: owners[index] ?? 0, ...result }));
  const failed = owned.find((result) => result.outcome === 'failed');
  const outputs = calls.map((call, index) =>
    dialectOf(dialect).write(
      call,
      owned.filter((one) => one.call === index),
    ),
  );
  return {
    ok: failed === undefined,
    space,
    // What the model is shown stands in its words already.
    results: owned.map((result) => (outputs[result.call] === null ? result : withoutBytes(result))),
    ...(failed?.outcome === 'failed' && { error: { call: failed.call, ...failed.error } }),
    ...(dialect !== 'nekogate' && { outputs }),
  };
}

function withoutBytes<Result extends ActionResult>(result: Result): Result {
  if (result.outcome !== 'done' || result.picture === undefined) return result;
  const { data: _, ...picture } = result.picture;
  return { ...result, picture };
}
