// What the HTTP API answers with: the gateway's routes send it, and its clients check it.
import { z } from 'zod';
import { Failure, Role, SessionSpec, SessionState } from './session.ts';

/** A failure as HTTP tells it: RFC 9457, with our stable code, the request's id and whether trying again may help. */
export const Problem = z
  .object({
    type: z.string().describe('urn:nekogate:problem: and the code'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What was tried, what happened and, where it is known, the way out'),
    code: z.string().describe('Stable: match on this'),
    retryable: z.boolean().describe('Whether the same call may succeed later without anybody changing anything'),
    requestId: z.string(),
    fields: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('For BAD_REQUEST: what is wrong with which field'),
  })
  .meta({ title: 'Problem' });
export type Problem = z.infer<typeof Problem>;

export const Session = z.object({
  id: z.string(),
  agentId: z.string(),
  agentState: z
    .enum(['online', 'degraded', 'offline'])
    .describe('A session of an offline agent may go on; its state is as last heard'),
  state: SessionState,
  reason: Failure.extend({
    exitCode: z.int().optional().describe('What its main process exited with, where it did so by itself'),
  })
    .optional()
    .describe(
      'Why it failed, was ended or hibernated by the gateway (IDLE_TIMEOUT, MAX_DURATION), waits for a restart, or went back to starting',
    ),
  logTail: z.array(z.string()).optional(),
  streamer: z.enum(['neko', 'embedded']).optional(),
  spec: SessionSpec,
  template: z.object({ id: z.string(), revision: z.int() }).optional().describe('As it was when the session was made'),
  restarts: z.int().describe('Restarts after failures, one after the other; the sixth failure is final'),
  startedAt: z.string().nullable().describe('When the present run began'),
  idleAt: z.string().nullable().describe('When it counts as idle, if nobody uses it until then'),
  endsAt: z.string().nullable().describe('When its time is over'),
  logins: z.int().describe('Clients joined or joining now'),
  createdAt: z.string(),
  updatedAt: z.string(),
  endedAt: z.string().nullable(),
});
export type Session = z.infer<typeof Session>;

export const Access = z.object({
  id: z.string(),
  role: Role,
  label: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
  revokedAt: z.string().nullable(),
});
export type Access = z.infer<typeof Access>;

export const GrantedAccess = Access.extend({
  token: z.string().describe('Shown this once: the gateway keeps only its hash'),
  viewUrl: z.string().describe('The viewer page; the token stands behind the #, which browsers send to nobody'),
});
export type GrantedAccess = z.infer<typeof GrantedAccess>;

export const Login = z.object({
  loginId: z.string(),
  accessId: z.string(),
  label: z.string(),
  role: Role,
  state: z.enum(['live', 'lost']).describe('A lost one waits for its client to come back'),
  client: z
    .enum(['nekogate', 'neko', 'vnc', 'sandbox-agent'])
    .optional()
    .describe("Which protocol a live one's client speaks"),
  since: z.string(),
  address: z.string().optional().describe('Where the connection comes from; behind a proxy, the proxy'),
});
export type Login = z.infer<typeof Login>;
