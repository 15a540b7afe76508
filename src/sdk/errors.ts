import type { FailureCode } from '../errors.ts';
import type { ActionResult } from '../protocol/computer.ts';

/** What can go wrong before the gateway says anything that we understand. */
type OwnCode = 'GATEWAY_UNREACHABLE' | 'TIMEOUT' | 'ANSWER_INVALID' | 'BAD_REQUEST';

/** The gateway's codes, ours, and those of a newer gateway. Match on them; messages are for people. */
export type NekogateErrorCode = FailureCode | OwnCode | (string & {});

export interface NekogateErrorDetails {
  /** Whether the same call may succeed later without anybody changing anything. */
  retryable?: boolean | undefined;
  /** The HTTP status, where there was an answer. */
  status?: number | undefined;
  /** Names the call in the gateway's log and audit. */
  requestId?: string | undefined;
  cause?: unknown;
}

/** A call that failed. It never holds a token, nor what was sent. */
export class NekogateError extends Error {
  readonly code: NekogateErrorCode;
  readonly retryable: boolean;
  readonly status: number | undefined;
  readonly requestId: string | undefined;

  constructor(code: NekogateErrorCode, message: string, details: NekogateErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'NekogateError';
    this.code = code;
    this.retryable = details.retryable ?? false;
    this.status = details.status;
    this.requestId = details.requestId;
  }
}

/** An action that failed at the desktop: those before it are done, those after it did not run. */
export class ActionFailed extends NekogateError {
  /** Which of the actions, from 0. */
  readonly action: number;
  /** What became of each. */
  readonly results: readonly ActionResult[];

  constructor(
    { call, code, message, retryable }: { call: number; code: string; message: string; retryable: boolean },
    results: readonly ActionResult[],
  ) {
    super(code, message, { retryable });
    this.name = 'ActionFailed';
    this.action = call;
    this.results = results;
  }
}
