import { toGatewayError } from '../errors.ts';
import type { Plan, Planner } from './door/plan.ts';
import type { Engine } from './engine.ts';
import { rewriteFiles } from './files/create.ts';
import type { Folders, HeldFolders } from './files/folders.ts';
import type { SourceDeps } from './files/sources.ts';
import type { Call } from './http/call.ts';
import { COMMIT_CHANGES } from './labels.ts';
import { showInspect, showList } from './answers.ts';
import { rewriteCreate } from './ports/create.ts';
import type { Forwards, HeldPorts } from './ports/forwards.ts';

export interface PlannerDeps {
  engine: Engine;
  forwards: Forwards;
  folders: Folders;
  sources: SourceDeps;
  owner: string;
  /** What `nekogate docker-proxy status` shows. */
  status: () => unknown;
}

/** Where the proxy answers itself: paths that Docker will not have. */
export const STATUS_PATH = '/_nekogate/status';
export const FLUSH_PATH = '/_nekogate/flush';

/** Which of Docker's calls are touched, and how. All others pass. */
export function createPlanner(deps: PlannerDeps): Planner {
  return {
    plan: (call) => planOf(deps, call),
    answer: ({ method, path }) => {
      const asked = `${method} /${path.join('/')}`;
      if (asked === `GET ${STATUS_PATH}`) return Promise.resolve({ status: 200, body: deps.status() });
      return asked === `POST ${FLUSH_PATH}` ? flush(deps) : undefined;
    },
  };
}

function planOf(deps: PlannerDeps, call: Call): Plan | undefined {
  const { engine, owner, sources } = deps;
  const [kind, ref = '', verb] = call.path;
  if (kind === 'commit' && call.method === 'POST') return { target: commitTarget(call) };
  if (kind !== 'containers') return undefined;
  switch (`${call.method} ${call.path.length === 2 ? (call.method === 'DELETE' ? '*' : ref) : `* ${verb}`}`) {
    case 'POST create':
      return {
        editRequest: async (body) => rewriteFiles(sources, await rewriteCreate(engine, owner, body)),
      };
    case 'GET json':
      return { editAnswer: async (status, body) => (status === 200 ? showList(deps, body) : body) };
    case 'GET * json':
      return { editAnswer: async (status, body) => (status === 200 ? showInspect(deps, body) : body) };
    case 'POST * start':
    case 'POST * restart':
      return startPlan(deps, ref);
    case 'POST * wait':
    case 'POST * stop':
    case 'POST * kill':
    case 'DELETE *':
      return endPlan(deps, ref);
    default:
      return undefined;
  }
}

/** The client hears that its container runs when its files are there and its ports here. */
function startPlan({ forwards, folders }: PlannerDeps, ref: string): Plan {
  const held: ((HeldPorts | HeldFolders) | undefined)[] = [];
  const release = async (): Promise<void> => {
    for (const one of held.splice(0)) await one?.release();
  };
  return {
    before: async () => {
      held.push(await folders.hold(ref));
      held.push(await forwards.hold(ref));
    },
    after: release,
    lost: () => void release(),
  };
}

/** The client hears that its container is over when what that wrote is here. */
function endPlan({ folders }: PlannerDeps, ref: string): Plan {
  let id: string | undefined;
  return {
    before: async () => {
      id = await folders.identify(ref);
    },
    beforeEnd: async () => {
      if (id !== undefined) await folders.settle(id);
    },
  };
}

async function flush({ folders }: PlannerDeps): Promise<{ status: number; body: unknown }> {
  try {
    await folders.flush();
    return { status: 200, body: { folders: folders.status() } };
  } catch (error) {
    const { status, message } = toGatewayError(error);
    return { status, body: { message } };
  }
}

function commitTarget({ prefix, query }: Call): string {
  const changed = new URLSearchParams(query);
  for (const change of COMMIT_CHANGES) changed.append('changes', change);
  return `${prefix}/commit?${changed.toString()}`;
}
