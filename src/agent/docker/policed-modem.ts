import type Docker from 'dockerode';
import { GatewayError } from '../../errors.ts';
import type { AllowedCall, DockerCall, DockerPolicy } from './policy.ts';

export type Dial = Docker['modem']['dial'];
type DialOptions = Parameters<Dial>[0];

/** Not part of the query or the body, though dockerode has them among these. */
const NOT_SENT = new Set(['abortSignal', 'authconfig']);

/** dockerode's way to the daemon with the policy in it: what goes out is what the policy made of the call. */
export function policed(dial: Dial, policy: DockerPolicy): Dial {
  return (options, callback) => {
    let allowed: AllowedCall;
    try {
      if (
        options.file !== undefined ||
        options.hijack === true ||
        options.openStdin === true ||
        options.headers !== undefined
      )
        throw new GatewayError(
          'POLICY_REFUSED',
          `${options.method} ${options.path} is refused by this host's policy: no files, streams or headers of its own`,
        );
      allowed = policy.check(callOf(options));
    } catch (thrown) {
      callback?.(thrown instanceof Error ? thrown : new Error(String(thrown)), null);
      return;
    }
    // A "?" at the end of the path is how dockerode asks for a query. Both are always given, or it would send the one as the other.
    dial({ ...options, options: { _query: allowed.query, _body: allowed.body ?? {} } }, callback);
  };
}

function callOf({ method = 'GET', path, options = {} }: DialOptions): DockerCall {
  const fields = Object.fromEntries(
    Object.entries(options).filter(([key, value]) => !NOT_SENT.has(key) && value !== undefined),
  );
  const call = { method, path: path.replace(/\?$/, '') };
  if (path === '/containers/create?') {
    const { name, ...body } = fields;
    return { ...call, query: texts({ name }), body: JSON.stringify(body) };
  }
  if (/^\/(?:networks|volumes)\/create\??$/.test(path)) return { ...call, query: {}, body: JSON.stringify(fields) };
  if (path.endsWith('?')) return { ...call, query: texts(fields) };
  return Object.keys(fields).length === 0
    ? { ...call, query: {} }
    : { ...call, query: {}, body: JSON.stringify(fields) };
}

function texts(fields: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
