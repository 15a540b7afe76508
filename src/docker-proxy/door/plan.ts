import type { Call } from '../http/call.ts';
import type { RequestHead } from '../http/head.ts';
import type { Lane } from '../remote.ts';

/** What becomes of one call on its way. Bodies that nothing is planned for pass byte for byte. */
export interface Plan {
  /** Instead of the target that came. */
  target?: string;
  /** Gets the whole body and gives the one that goes out; what it throws is the answer. */
  editRequest?: (body: Buffer) => Promise<Buffer>;
  /** Before anything goes out; what it throws is the answer. */
  before?: () => Promise<void>;
  /** Gets the whole body of an answer and gives the one that goes to the client. */
  editAnswer?: (status: number, body: Buffer) => Promise<Buffer>;
  /** Once the daemon has answered, and before the client is told. */
  after?: (status: number) => Promise<void>;
  /** Once the body of the answer comes, of which the client has had the head; nothing that comes is held up longer than this. */
  beforeEnd?: () => Promise<void>;
  /** The call ended without an answer. */
  lost?: () => void;
}

export interface Planner {
  /** @returns a plan, or undefined when the call passes as it is */
  plan(call: Call): Plan | undefined;
  /** An answer of the proxy's own, for calls that aren't the daemon's; undefined when the call is. */
  answer(call: Call): Promise<{ status: number; body: unknown }> | undefined;
}

/** Big bodies and streams that fill a link; all else has to be quick. */
const BULK = new Set(['build', 'session', 'grpc', 'archive', 'export', 'load', 'get', 'push']);

export function laneOf(call: Call | undefined): Lane {
  if (call === undefined) return 'bulk';
  const [kind, ...rest] = call.path;
  return BULK.has(kind ?? '') || BULK.has(rest.at(-1) ?? '') || (kind === 'images' && rest[0] === 'create')
    ? 'bulk'
    : 'control';
}

/**
 * Keeps web pages out of a door on TCP: they can make a browser send requests here, by DNS rebinding too. Docker's clients send a Host of
 * the loopback or a made-up name, and none of a browser's headers.
 * @returns why the request is refused
 */
export function refuseBrowsers({ headers }: RequestHead): string | undefined {
  if (headers.has('origin') || [...headers.keys()].some((name) => name.startsWith('sec-fetch-')))
    return 'requests of web pages are refused here';
  const hosts = headers.get('host') ?? [];
  const isLocal = hosts.every((host) =>
    /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\]|docker|api\.moby\.localhost|)(?::\d+)?$/i.test(host),
  );
  return isLocal && hosts.length <= 1 ? undefined : `the Host header "${hosts.join(', ')}" is not of this machine`;
}
