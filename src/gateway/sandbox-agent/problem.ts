import { ControlRefusal } from '../../computer/holder.ts';
import { GatewayError, type FailureCode } from '../../errors.ts';
import type { Holder } from '../../computer/holder.ts';
import { InvalidRequest } from '../problem.ts';

/**
 * What sandbox-agent calls failures, and their HTTP status (0.4.2: desktop_errors.rs, and its OpenAPI's ErrorType). Those of the controls are ours:
 * there everybody drives at once.
 */
const STATUS = {
  invalid_request: 400,
  token_invalid: 401,
  permission_denied: 403,
  not_found: 404,
  conflict: 409,
  unsupported_media_type: 415,
  desktop_invalid_action: 400,
  desktop_runtime_inactive: 409,
  desktop_runtime_starting: 409,
  desktop_control_taken: 409,
  desktop_control_lost: 409,
  desktop_screenshot_failed: 502,
  desktop_input_failed: 502,
  desktop_runtime_failed: 503,
  desktop_dependencies_missing: 503,
  desktop_unsupported_platform: 501,
  window_not_found: 404,
  no_focused_window: 404,
  app_not_found: 404,
  clipboard_failed: 500,
} as const;
export type SandboxCode = keyof typeof STATUS;

/** What ours are called there; one that has no name there keeps its own, in lower case. */
const CALLED: Partial<Record<FailureCode, SandboxCode>> = {
  BAD_REQUEST: 'invalid_request',
  UNAUTHENTICATED: 'token_invalid',
  ACCESS_EXPIRED: 'token_invalid',
  ACCESS_REVOKED: 'permission_denied',
  FORBIDDEN: 'permission_denied',
  ORIGIN_REFUSED: 'permission_denied',
  NOT_FOUND: 'not_found',
  CONFLICT: 'conflict',
  UNSUPPORTED_MEDIA_TYPE: 'unsupported_media_type',
  ACTION_INVALID: 'desktop_invalid_action',
  KEY_UNKNOWN: 'desktop_invalid_action',
  OUT_OF_RANGE: 'desktop_invalid_action',
  CONTROL_TAKEN: 'desktop_control_taken',
  CONTROL_LOST: 'desktop_control_lost',
  SESSION_NOT_RUNNING: 'desktop_runtime_starting',
  SESSION_HIBERNATED: 'desktop_runtime_inactive',
  SESSION_ENDED: 'desktop_runtime_inactive',
  AGENT_OFFLINE: 'desktop_runtime_failed',
  TOOLS_NOT_AVAILABLE: 'desktop_unsupported_platform',
  PROGRAM_NOT_FOUND: 'app_not_found',
};

/** A failure that is called by what was tried, or by the state that the desktop is in. */
export class DesktopFailure extends GatewayError {
  readonly called: SandboxCode;

  constructor(called: SandboxCode, { code, message }: Pick<GatewayError, 'code' | 'message'>, options?: ErrorOptions) {
    super(code, message, options);
    this.called = called;
  }
}

export interface SandboxProblem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
  retryable: boolean;
  requestId: string;
  /** Who has the controls instead. */
  holder?: Holder;
}

/** A failure as sandbox-agent's clients know it: theirs is `code`, which is also the end of `type`. */
export function sandboxProblemOf(failure: GatewayError, requestId: string): SandboxProblem {
  const called = calledOf(failure);
  const code = called ?? failure.code.toLowerCase();
  const holder = failure instanceof ControlRefusal ? failure.holder : undefined;
  return {
    type: `urn:sandbox-agent:error:${code}`,
    title: titleOf(code),
    status: called === undefined ? failure.status : STATUS[called],
    detail: failure.message,
    code,
    retryable: failure.retryable,
    requestId,
    ...(holder && { holder }),
  };
}

function calledOf(failure: GatewayError): SandboxCode | undefined {
  if (failure instanceof DesktopFailure) return failure.called;
  if (failure instanceof InvalidRequest) return 'desktop_invalid_action';
  return CALLED[failure.code];
}

/** `Desktop Invalid Action`. */
function titleOf(code: string): string {
  return code
    .split('_')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join(' ');
}
