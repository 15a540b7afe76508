// What operators look at: health, metrics, the audit.
import { z } from 'zod';
import type { Agents } from './agents/agents.ts';
import type { Hub } from './agents/hub.ts';
import type { App } from './app.ts';
import type { Logins } from './logins/logins.ts';
import type { Counted, Metrics } from './metrics.ts';
import type { Store } from './store/store.ts';

const AUDIT_PAGE_MAX = 1000;

const AuditRecord = z.object({
  id: z.string(),
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  outcome: z.string(),
  detail: z.record(z.string(), z.unknown()),
  requestId: z.string(),
});

const tags = ['operations'];

export interface OperationsDeps {
  store: Store;
  agents: Agents;
  hub: Hub;
  logins: Logins;
  metrics: Metrics;
  /** Bound to loopback: who can connect is on this machine, and Prometheus there needs no token. */
  isLoopback: boolean;
}

export function addOperationRoutes(app: App, deps: OperationsDeps): void {
  const { store, metrics, isLoopback } = deps;

  app.get(
    '/healthz',
    {
      config: { allow: 'public' },
      schema: { tags, summary: 'The process is alive', response: { 200: z.object({ status: z.literal('ok') }) } },
    },
    async () => ({ status: 'ok' as const }),
  );

  app.get(
    '/readyz',
    {
      config: { allow: 'public' },
      schema: {
        tags,
        summary: 'The store answers now, so calls can be served',
        response: { 200: z.object({ status: z.literal('ok'), store: z.enum(['sqlite', 'postgres']) }) },
      },
    },
    async () => {
      await store.check();
      return { status: 'ok' as const, store: store.kind };
    },
  );

  app.get(
    '/metrics',
    {
      config: { allow: isLoopback ? 'public' : 'admin' },
      schema: { tags, summary: "Prometheus' metrics; needs the administrator's token unless bound to loopback" },
    },
    async (_request, reply) =>
      reply.header('content-type', metrics.contentType).send(await metrics.render(countedOf(deps))),
  );

  app.get(
    '/api/v1/audit',
    {
      schema: {
        tags,
        summary: 'What was done by whom, newest first',
        querystring: z.object({
          limit: z.coerce.number().int().min(1).max(AUDIT_PAGE_MAX).default(100),
          before: z.string().max(64).optional().describe('The id of the last record of the page before'),
        }),
        response: { 200: z.object({ audit: z.array(AuditRecord) }) },
      },
    },
    async ({ query: { limit, before } }) => ({
      audit: (await store.audit.list(limit, before)).map(({ detail, request_id: requestId, ...row }) => ({
        ...row,
        detail: AuditRecord.shape.detail.parse(JSON.parse(detail)),
        requestId,
      })),
    }),
  );
}

function countedOf({ store, agents, hub, logins }: OperationsDeps): Counted {
  return {
    agentsByState: async () => {
      const counts = { online: 0, degraded: 0, offline: 0 };
      for (const { id } of await agents.list()) counts[hub.stateOf(id)] += 1;
      return counts;
    },
    sessionsByState: () => store.sessions.countByState(),
    pooled: async () => {
      const sessions = await store.sessions.listPooled();
      const ready = sessions.filter(({ state }) => state === 'warm').length;
      return { ready, starting: sessions.length - ready };
    },
    logins: () => logins.count,
    vncClients: () => logins.vncCount,
    freeSlots: () => hub.list().reduce((sum, { connection }) => sum + (connection.freeSlots ?? 0), 0),
  };
}
