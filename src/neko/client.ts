import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import type { Role } from '../protocol/session.ts';
import { MemberProfile, SESSIONS_MAX, SessionData } from '../signaling/messages.ts';
import { callNeko, type NekoRequest } from './http.ts';
import { profileOf } from './profile.ts';

export { profileOf } from './profile.ts';

/** One login's neko session; whoever holds it ends it by `logout`, since neko keeps it, and its media, for good otherwise. */
export interface NekoLogin {
  id: string;
  /** As `Authorization: Bearer` or, for the WebSocket, in its URL. */
  token: string;
  name: string;
}

const LoginReply = z.object({ id: z.string(), token: z.string().min(1) });
const WhoamiReply = z.object({ profile: MemberProfile });
const ControlStatus = z.object({ has_host: z.boolean(), host_id: z.string().optional() });
export type ControlStatus = z.infer<typeof ControlStatus>;
const Sessions = z.array(SessionData).max(SESSIONS_MAX);

/** The HTTP API of one session's neko. Holds nothing open. Every call throws GatewayError NEKO_UNREACHABLE or NEKO_REFUSED. */
export class NekoClient {
  readonly #baseUrl: string;
  readonly #adminPassword: string;

  constructor(neko: { baseUrl: string; adminPassword: string }) {
    this.#baseUrl = neko.baseUrl;
    this.#adminPassword = neko.adminPassword;
  }

  /** Whether its HTTP server answers. */
  async health(signal?: AbortSignal): Promise<void> {
    await this.#call({ method: 'GET', path: '/health', signal });
  }

  /**
   * A login of its own (neko adds a random suffix to the name for its id), whose privileges are the role's and no more: dropped,
   * then read back. Nothing stays of one that could not be brought down.
   */
  async login(name: string, role: Role, signal?: AbortSignal): Promise<NekoLogin> {
    const body = { username: name, password: this.#adminPassword };
    const reply = parse(LoginReply, await this.#call({ method: 'POST', path: '/api/login', body, signal }), 'login');
    const login = { id: reply.id, token: reply.token, name };
    try {
      await this.#dropPrivileges(login, role, signal);
      return login;
    } catch (thrown) {
      await this.logout(login.token).catch(() => undefined);
      throw thrown;
    }
  }

  /** Ends the login: neko closes its WebSocket and its media ends. One that is gone already is fine. */
  async logout(token: string): Promise<void> {
    try {
      await this.#call({ method: 'POST', path: '/api/logout', token });
    } catch (thrown) {
      if (!(await this.#isGone(token))) throw thrown;
    }
  }

  /** A JPEG of the screen; quality 1 to 100. */
  screenshot(options: { quality?: number; signal?: AbortSignal } = {}): Promise<Buffer> {
    const path = `/api/room/screen/shot.jpg?quality=${options.quality ?? 80}`;
    return this.#call({ method: 'GET', path, token: this.#adminPassword, signal: options.signal, isRepeated: true });
  }

  /** Who drives the desktop now. */
  async controlStatus(): Promise<ControlStatus> {
    return parse(ControlStatus, await this.#asAdmin('GET', '/api/room/control'), 'control status');
  }

  /** Gives the controls to an owner's own login, whoever had them. */
  async takeControl(token: string): Promise<void> {
    await this.#call({ method: 'POST', path: '/api/room/control/take', token });
  }

  /** Gives the controls to any login that may have them. */
  async giveControl(sessionId: string): Promise<void> {
    await this.#asAdmin('POST', `/api/room/control/give/${encodeURIComponent(sessionId)}`);
  }

  /** Takes the controls from whoever has them. */
  async resetControl(): Promise<void> {
    await this.#asAdmin('POST', '/api/room/control/reset');
  }

  /** Every login that neko has now, connected or not. */
  async sessions(): Promise<SessionData[]> {
    return parse(Sessions, await this.#asAdmin('GET', '/api/sessions'), 'sessions');
  }

  /** Closes a login's WebSocket; its token, and its media, stay. */
  async disconnect(sessionId: string): Promise<void> {
    await this.#asAdmin('POST', `/api/sessions/${encodeURIComponent(sessionId)}/disconnect`);
  }

  /** Ends somebody's login: WebSocket, media and token. */
  async delete(sessionId: string): Promise<void> {
    await this.#asAdmin('DELETE', `/api/sessions/${encodeURIComponent(sessionId)}`);
  }

  /** neko's WebSocket for this login. The token is in it, since neko reads it nowhere else there: never log it. */
  socketUrl(token: string): string {
    const url = new URL('/api/ws', this.#baseUrl);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    url.searchParams.set('token', token);
    return url.href;
  }

  async #dropPrivileges({ token, name }: NekoLogin, role: Role, signal?: AbortSignal): Promise<void> {
    const profile = { name, ...profileOf(role) };
    // An administrator's fields that are left out keep their values; the name always goes along, for neko blanks it otherwise
    // when the login is no administrator any more.
    await this.#call({ method: 'POST', path: '/api/profile', token, body: profile, signal });
    const now = parse(WhoamiReply, await this.#call({ method: 'GET', path: '/api/whoami', token, signal }), 'whoami');
    const kept = Object.entries(profile).filter(([field, value]) => now.profile[field] !== value);
    if (kept.length > 0)
      throw new GatewayError(
        'NEKO_REFUSED',
        `neko did not bring a ${role}'s login down to its profile: ${kept.map(([field]) => field).join(', ')} differ`,
      );
  }

  /** Whether neko says that it knows no such login; one that doesn't answer says nothing. */
  async #isGone(token: string): Promise<boolean> {
    try {
      await this.#call({ method: 'GET', path: '/api/whoami', token });
      return false;
    } catch (thrown) {
      return thrown instanceof GatewayError && thrown.code === 'NEKO_REFUSED';
    }
  }

  /** neko's API token is the administrator's password too (`nekoCommand`), so these calls need no login and show up in nobody's list. */
  #asAdmin(method: NekoRequest['method'], path: string): Promise<Buffer> {
    return this.#call({ method, path, token: this.#adminPassword });
  }

  #call(call: NekoRequest): Promise<Buffer> {
    return callNeko(this.#baseUrl, call);
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, body: Buffer, what: string): z.output<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new GatewayError('NEKO_REFUSED', `neko's answer to ${what} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success)
    throw new GatewayError('NEKO_REFUSED', `neko's answer to ${what} is unexpected: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
