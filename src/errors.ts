// Every failure that a caller can see. Codes are public: add, never rename, never reuse.
// `status` is the HTTP status, `close` the WebSocket close code (4000-4999 are ours), `retryable` whether the same
// call may succeed later without anybody changing anything.
const FAILURES = {
  // The request itself.
  BAD_REQUEST: { status: 400, close: 4400, retryable: false },
  BAD_FRAME: { status: 400, close: 4400, retryable: false },
  UNKNOWN_EVENT: { status: 400, close: 4400, retryable: false },
  MESSAGE_TOO_BIG: { status: 413, close: 1009, retryable: false },
  TOO_MANY_MESSAGES: { status: 429, close: 4429, retryable: true },
  NOT_FOUND: { status: 404, close: 4404, retryable: false },
  CONFLICT: { status: 409, close: 4409, retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, close: 4400, retryable: false },
  TOO_MANY_REQUESTS: { status: 429, close: 4429, retryable: true },
  // Who asks.
  UNAUTHENTICATED: { status: 401, close: 4401, retryable: false },
  ACCESS_EXPIRED: { status: 401, close: 4401, retryable: false },
  ACCESS_REVOKED: { status: 403, close: 4403, retryable: false },
  FORBIDDEN: { status: 403, close: 4403, retryable: false },
  ORIGIN_REFUSED: { status: 403, close: 4403, retryable: false },
  KICKED: { status: 403, close: 4410, retryable: false },
  // Agents and tunnels.
  AGENT_NOT_FOUND: { status: 404, close: 4404, retryable: false },
  AGENT_OFFLINE: { status: 503, close: 4503, retryable: true },
  AGENT_REPLACED: { status: 409, close: 4409, retryable: false },
  AGENT_VERSION: { status: 426, close: 4426, retryable: false },
  NO_AGENT: { status: 503, close: 4503, retryable: true },
  COMMAND_TIMEOUT: { status: 504, close: 4504, retryable: true },
  TICKET_REFUSED: { status: 403, close: 4403, retryable: false },
  TUNNEL_TIMEOUT: { status: 504, close: 4504, retryable: true },
  // Sessions and what runs in them.
  SESSION_NOT_FOUND: { status: 404, close: 4404, retryable: false },
  SESSION_NOT_RUNNING: { status: 409, close: 4412, retryable: true },
  SESSION_ENDED: { status: 410, close: 4411, retryable: false },
  SESSION_HIBERNATED: { status: 409, close: 4413, retryable: false },
  SESSION_LIMIT: { status: 503, close: 4503, retryable: true },
  SESSION_START_FAILED: { status: 502, close: 4502, retryable: false },
  DEPENDENCY_MISSING: { status: 503, close: 4503, retryable: false },
  // What a container runtime meets.
  DOCKER_UNAVAILABLE: { status: 503, close: 4503, retryable: true },
  DOCKER_FAILED: { status: 502, close: 4502, retryable: false },
  DISK_FULL: { status: 507, close: 4503, retryable: false },
  IMAGE_MISSING: { status: 502, close: 4502, retryable: false },
  POLICY_REFUSED: { status: 403, close: 4403, retryable: false },
  PORTS_EXHAUSTED: { status: 503, close: 4503, retryable: true },
  CONTAINER_LOST: { status: 502, close: 4502, retryable: true },
  OUT_OF_MEMORY: { status: 502, close: 4502, retryable: true },
  DESKTOP_FAILED: { status: 502, close: 4502, retryable: false },
  NEKO_START_FAILED: { status: 502, close: 4502, retryable: true },
  NEKO_UNREACHABLE: { status: 502, close: 4502, retryable: true },
  NEKO_REFUSED: { status: 502, close: 4502, retryable: false },
  PART_LOST: { status: 502, close: 4502, retryable: true },
  ICE_PLAN_UNAVAILABLE: { status: 409, close: 4409, retryable: false },
  STREAMER_LOST: { status: 502, close: 4502, retryable: true },
  VNC_NOT_AVAILABLE: { status: 409, close: 4409, retryable: false },
  VNC_FAILED: { status: 502, close: 4502, retryable: true },
  VNC_LOST: { status: 502, close: 4502, retryable: true },
  TOOLS_NOT_AVAILABLE: { status: 409, close: 4409, retryable: false },
  TOOLS_FAILED: { status: 502, close: 4502, retryable: true },
  PROGRAM_NOT_FOUND: { status: 404, close: 4404, retryable: false },
  PROGRAM_FAILED: { status: 502, close: 4502, retryable: false },
  CLIPBOARD_FAILED: { status: 502, close: 4502, retryable: true },
  TEMPLATE_NOT_FOUND: { status: 404, close: 4404, retryable: false },
  TEMPLATE_INVALID: { status: 409, close: 4409, retryable: false },
  // What a program does to a desktop.
  ACTION_INVALID: { status: 400, close: 4400, retryable: false },
  KEY_UNKNOWN: { status: 400, close: 4400, retryable: false },
  OUT_OF_RANGE: { status: 400, close: 4400, retryable: false },
  SAFETY_CHECK_PENDING: { status: 409, close: 4409, retryable: false },
  SCREEN_CHANGED: { status: 409, close: 4409, retryable: false },
  ELEMENT_GONE: { status: 409, close: 4409, retryable: false },
  CONTROL_TAKEN: { status: 409, close: 4409, retryable: true },
  CONTROL_LOST: { status: 409, close: 4409, retryable: true },
  // A remote Docker host behind the docker proxy.
  SSH_UNREACHABLE: { status: 503, close: 4503, retryable: true },
  SSH_HOST_KEY_UNKNOWN: { status: 502, close: 4502, retryable: false },
  SSH_HOST_KEY_CHANGED: { status: 502, close: 4502, retryable: false },
  SSH_AUTH_FAILED: { status: 502, close: 4502, retryable: false },
  SSH_FORWARDING_REFUSED: { status: 502, close: 4502, retryable: false },
  FILES_PAUSED: { status: 409, close: 4409, retryable: false },
  FILES_FAILED: { status: 500, close: 4500, retryable: true },
  PORT_TAKEN: { status: 500, close: 4500, retryable: true },
  // The link to one client.
  CLIENT_SILENT: { status: 408, close: 4408, retryable: true },
  CLIENT_SLOW: { status: 408, close: 4408, retryable: true },
  LOGIN_LIMIT: { status: 429, close: 4429, retryable: true },
  LOGIN_RESUMED: { status: 409, close: 4409, retryable: false },
  SHUTTING_DOWN: { status: 503, close: 4503, retryable: true },
  STORE_UNAVAILABLE: { status: 503, close: 4503, retryable: true },
  INTERNAL: { status: 500, close: 4500, retryable: true },
} as const;

export type FailureCode = keyof typeof FAILURES;

/** A failure that a caller can see. `message` is for an operator: what was tried, what happened and the way out; never a secret. */
export class GatewayError extends Error {
  readonly code: FailureCode;
  constructor(code: FailureCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'GatewayError';
    this.code = code;
  }
  get status(): number {
    return FAILURES[this.code].status;
  }
  /** The WebSocket close code that goes with it; the close reason is the code's name. */
  get closeCode(): number {
    return FAILURES[this.code].close;
  }
  get retryable(): boolean {
    return FAILURES[this.code].retryable;
  }
}

export function isFailureCode(text: string): text is FailureCode {
  return Object.hasOwn(FAILURES, text);
}

/** The table, for documents and tests. */
export function listFailures(): { code: FailureCode; status: number; close: number; retryable: boolean }[] {
  return Object.keys(FAILURES)
    .filter(isFailureCode)
    .map((code) => ({ code, ...FAILURES[code] }));
}

/** Whatever was thrown, as something to show: a GatewayError stays itself, all else becomes INTERNAL with the cause kept. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  return new GatewayError('INTERNAL', 'something went wrong inside; the log has the details', { cause: thrown });
}

/** What something that was thrown says of itself: for the log, and as the reason inside another failure's message. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
