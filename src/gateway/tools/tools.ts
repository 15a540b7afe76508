import { Readable } from 'node:stream';
import type { z } from 'zod';
import { GatewayError, isFailureCode } from '../../errors.ts';
import { readBytes } from '../../net/read-bytes.ts';
import { Failure } from '../../protocol/session.ts';
import {
  contractOf,
  TOOL_ANSWER_MAX_BYTES,
  TOOL_INPUT_MAX_BYTES,
  type TOOLS,
  type ToolName,
  type ToolReply,
} from '../../protocol/tools.ts';
import type { Accesses } from '../access/accesses.ts';
import { getJoinable } from '../logins/admission.ts';
import type { TunnelDeps } from '../neko-api/routes.ts';
import type { AccessRow } from '../store/tables.ts';
import { exchangeByTunnel } from '../tunnels/http-exchange.ts';

/** Calls of one access at once; one more is refused with TOO_MANY_REQUESTS. */
const CALLS_MAX = 8;

/** A longer timer fires at once; no call lasts so long. */
const TIMER_MAX_MS = 0x7fff_ffff;

export interface ToolsDeps extends TunnelDeps {
  accesses: Pick<Accesses, 'listValid'>;
  /** Told of each call, since a program may use a session by calls alone. */
  onCall: (sessionId: string) => void;
}

/** What a tool answers in bytes; the caller's, to read to its end or destroy. */
export interface ToolBytes {
  type: string;
  /** How many, where the desktop says. */
  length: number | undefined;
  body: Readable;
}

export interface ToolOptions {
  /** Ends the call. */
  signal: AbortSignal;
  /** The bytes of a tool that takes some. */
  upload?: { body: Readable; maxBytes: number };
}

interface Call {
  sessionId: string;
  accessId: string;
  abort: AbortController;
}

/** Calls of the tools that sessions' desktops have (src/protocol/tools.ts), each by a tunnel of its own. */
export class Tools {
  readonly #deps: ToolsDeps;
  readonly #calls = new Set<Call>();

  constructor(deps: ToolsDeps) {
    this.#deps = deps;
  }

  /**
   * Has the session's desktop do it; what the access may do is the caller's to know.
   * @throws GatewayError what the desktop says | TOOLS_NOT_AVAILABLE | TOOLS_FAILED | why the session can't be reached
   */
  async call<Name extends ToolName>(
    access: Pick<AccessRow, 'id' | 'session_id' | 'expires_at'>,
    name: Name,
    input: z.input<(typeof TOOLS)[Name]['input']>,
    { signal, upload }: ToolOptions,
  ): Promise<ToolReply<Name, ToolBytes>> {
    const { id: accessId, session_id: sessionId } = access;
    if ([...this.#calls].filter((call) => call.accessId === accessId).length >= CALLS_MAX)
      throw new GatewayError('TOO_MANY_REQUESTS', `${CALLS_MAX} tools of this access are at work already; await them`);
    const call = { sessionId, accessId, abort: new AbortController() };
    const expire = (): void => call.abort.abort(new GatewayError('ACCESS_EXPIRED', 'this access has expired'));
    const timer = setTimeout(expire, Math.min(Date.parse(access.expires_at) - Date.now(), TIMER_MAX_MS));
    const end = (): void => {
      clearTimeout(timer);
      this.#calls.delete(call);
    };
    this.#calls.add(call);
    const within = AbortSignal.any([signal, call.abort.signal]);
    try {
      // A revocation between the call's authorization and now would otherwise miss it.
      if (!(await this.#deps.accesses.listValid(sessionId)).has(accessId))
        throw new GatewayError('ACCESS_REVOKED', 'this access was revoked');
      const answer = await this.#exchange(sessionId, { name, input, upload }, within);
      const reply = await readReply(name, answer, end);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- read by the tool's own schema; TypeScript can't follow that through an indexed access
      return reply as ToolReply<Name, ToolBytes>;
    } catch (thrown) {
      end();
      throw within.aborted ? within.reason : thrown;
    }
  }

  /** What is under way ends with the failure: in this session, or of this access. */
  interrupt(which: { sessionId: string } | { accessId: string }, failure: GatewayError): void {
    for (const call of this.#calls) {
      const isMeant = 'sessionId' in which ? call.sessionId === which.sessionId : call.accessId === which.accessId;
      if (isMeant) call.abort.abort(failure);
    }
  }

  async #exchange(
    sessionId: string,
    { name, input, upload }: { name: ToolName; input: unknown; upload: ToolOptions['upload'] },
    signal: AbortSignal,
  ): Promise<Answer> {
    const { connection } = await getJoinable(this.#deps, sessionId);
    this.#deps.onCall(sessionId);
    const tunnel = await this.#deps.tunnels.open(connection, { kind: 'tools', sessionId }, signal);
    const json = JSON.stringify(input);
    const path = upload ? `/${name}?input=${encodeURIComponent(json)}` : `/${name}`;
    const { body, maxBytes } = upload ?? { body: Readable.from([Buffer.from(json)]), maxBytes: TOOL_INPUT_MAX_BYTES };
    return await exchangeByTunnel(tunnel, { head: { path }, body, maxBytes, signal });
  }
}

type Answer = Awaited<ReturnType<typeof exchangeByTunnel>>;

/** `onEnd` is called once nothing more comes. */
async function readReply(name: ToolName, { status, headers, body }: Answer, onEnd: () => void): Promise<unknown> {
  if (status !== 200) throw failureIn(await readJson(body));
  const schema = contractOf(name).reply;
  if (schema === 'bytes') {
    body.once('close', onEnd);
    const length = Number(headers['content-length']);
    const type = headers['content-type'] ?? 'application/octet-stream';
    return { type, length: Number.isSafeInteger(length) ? length : undefined, body } satisfies ToolBytes;
  }
  const reply = schema.safeParse(await readJson(body));
  onEnd();
  if (reply.success) return reply.data;
  throw new GatewayError('TOOLS_FAILED', `the desktop's answer to ${name} is not one of this gateway's version`, {
    cause: reply.error,
  });
}

/** What a program in the desktop could have a part in is not believed without a look. */
function failureIn(json: unknown): GatewayError {
  const failure = Failure.safeParse(json).data;
  if (!failure || !isFailureCode(failure.code))
    return new GatewayError('TOOLS_FAILED', 'the desktop failed, and did not say how');
  return new GatewayError(failure.code, failure.message);
}

async function readJson(body: Readable): Promise<unknown> {
  const bytes = await readBytes(
    body,
    TOOL_ANSWER_MAX_BYTES,
    () => new GatewayError('TOOLS_FAILED', `the desktop's answer is longer than ${TOOL_ANSWER_MAX_BYTES} bytes`),
  );
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new GatewayError('TOOLS_FAILED', "the desktop's answer is not JSON", { cause });
  }
}
