import { GatewayError } from '../../errors.ts';

const UNAVAILABLE = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'EACCES',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'ABORT_ERR',
]);

/** What the daemon, or the lack of one, answered, as a failure that says what to do. */
export function failureOf(what: string, host: string, cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  const message = textOf(cause);
  if (statusOf(cause) === undefined) {
    const hint =
      codeOf(cause) === 'EACCES' ? 'this user may not open it; add it to the group docker' : 'is dockerd running?';
    const isAway = UNAVAILABLE.has(codeOf(cause)) || /no answer|socket hang up|aborted/.test(message);
    return isAway
      ? new GatewayError('DOCKER_UNAVAILABLE', `Docker at ${host} does not answer (${what}: ${message}); ${hint}`, {
          cause,
        })
      : new GatewayError('DOCKER_FAILED', `${what}: ${message}`, { cause });
  }
  if (/no space left on device|disk quota exceeded/i.test(message))
    return new GatewayError(
      'DISK_FULL',
      `${what}: the disk of this host's Docker is full; free some, e.g. with docker system prune`,
      { cause },
    );
  if (/non-overlapping IPv4 address pool/.test(message))
    return new GatewayError(
      'DOCKER_FAILED',
      `${what}: Docker has no network address left; give it more by default-address-pools in its daemon.json`,
      { cause },
    );
  return new GatewayError('DOCKER_FAILED', `${what}: Docker said: ${message}`, { cause });
}

/** Whether the daemon could not publish a port since somebody has it. */
export function isPortTaken(thrown: unknown): boolean {
  return thrown instanceof GatewayError && /port is already allocated|address already in use/.test(thrown.message);
}

export function isStatus(cause: unknown, status: number): boolean {
  return statusOf(cause) === status;
}

export function isUnavailable(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code === 'DOCKER_UNAVAILABLE';
}

function statusOf(cause: unknown): number | undefined {
  return cause instanceof Error && 'statusCode' in cause && typeof cause.statusCode === 'number'
    ? cause.statusCode
    : undefined;
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
}

/** The daemon's own words, without what dockerode puts around them. */
function textOf(cause: unknown): string {
  const json: unknown = cause instanceof Error && 'json' in cause ? cause.json : undefined;
  const text =
    typeof json === 'object' && json !== null && 'message' in json
      ? String(json.message)
      : cause instanceof Error
        ? cause.message
        : String(cause);
  return text.trim().slice(0, 1000);
}
