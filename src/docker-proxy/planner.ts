import type { Plan, Planner } from './door/plan.ts';
import type { Engine } from './engine.ts';
import type { Call } from './http/call.ts';
import { showInspect, showList } from './ports/answers.ts';
import { COMMIT_CHANGES, rewriteCreate } from './ports/create.ts';
import type { Forwards, HeldPorts } from './ports/forwards.ts';

export interface PlannerDeps {
  engine: Engine;
  forwards: Forwards;
  owner: string;
  /** What `nekogate docker-proxy status` shows. */
  status: () => unknown;
}

/** Where the proxy answers itself: a path that Docker will not have. */
export const STATUS_PATH = '/_nekogate/status';

/** Which of Docker's calls are touched, and how. All others pass. */
export function createPlanner(deps: PlannerDeps): Planner {
  return {
    plan: (call) => planOf(deps, call),
    answer: ({ method, path }) =>
      method === 'GET' && `/${path.join('/')}` === STATUS_PATH
        ? Promise.resolve({ status: 200, body: deps.status() })
        : undefined,
  };
}

function planOf(deps: PlannerDeps, call: Call): Plan | undefined {
  const { engine, owner } = deps;
  const [kind, ref = '', verb] = call.path;
  if (kind === 'commit' && call.method === 'POST') return { target: commitTarget(call) };
  if (kind !== 'containers') return undefined;
  switch (`${call.method} ${call.path.length === 2 ? ref : `* ${verb}`}`) {
    case 'POST create':
      return { editRequest: (body) => rewriteCreate(engine, owner, body) };
    case 'GET json':
      return { editAnswer: async (status, body) => (status === 200 ? showList(deps, body) : body) };
    case 'GET * json':
      return { editAnswer: async (status, body) => (status === 200 ? showInspect(deps, body) : body) };
    case 'POST * start':
    case 'POST * restart':
      return startPlan(deps, ref);
    default:
      return undefined;
  }
}

/** The client hears that its container runs when its ports are here. */
function startPlan({ forwards }: PlannerDeps, ref: string): Plan {
  let held: HeldPorts | undefined;
  return {
    before: async () => {
      held = await forwards.hold(ref);
    },
    after: async () => held?.release(),
    lost: () => void held?.release(),
  };
}

function commitTarget({ prefix, query }: Call): string {
  const changed = new URLSearchParams(query);
  for (const change of COMMIT_CHANGES) changed.append('changes', change);
  return `${prefix}/commit?${changed.toString()}`;
}
