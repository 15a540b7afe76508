import { z } from 'zod';
import { Id, Role } from './session.ts';

/** Time that a login waits for a client that was lost; then it ends as if the client had left. */
export const LOGIN_GRACE_MS = 30_000;
/** Logins of one agent at once, those that wait for their client included; more are refused with LOGIN_LIMIT. */
export const LOGINS_MAX_PER_AGENT = 2000;

/** Who a login is for. The access decides the rest, so a login is its access's for good. */
export const LoginOrder = z.object({
  loginId: z.uuid(),
  accessId: Id,
  role: Role,
  label: z.string().max(64),
  /** When its access expires, and so the login. */
  expiresAt: z.iso.datetime(),
  /** Which protocol its client speaks: ours, which tells it its login by `gateway/login`, or neko's as it is. */
  client: z.enum(['nekogate', 'neko']),
});
export type LoginOrder = z.infer<typeof LoginOrder>;

/** What an agent says of a login that lost its client. */
export const LoginReport = LoginOrder.omit({ expiresAt: true, client: true }).extend({
  sessionId: Id,
  since: z.iso.datetime(),
  /** Live again, or waiting for its client, or gone. */
  state: z.enum(['live', 'lost', 'ended']),
  /** For a lost one, how long it still waits. */
  leftMs: z.int().min(0).max(3_600_000).optional(),
});
export type LoginReport = z.infer<typeof LoginReport>;
