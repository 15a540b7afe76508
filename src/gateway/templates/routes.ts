import { z } from 'zod';
import { Failure, Id, SpecChoice, SpecKey } from '../../protocol/session.ts';
import type { App } from '../app.ts';
import type { Audit } from '../audit.ts';
import type { WarmPools } from './warm-pools.ts';
import type { Template, Templates } from './templates.ts';

/** Sessions that one template keeps ready on one agent. */
const WARM_MAX = 100;

const Content = z.strictObject({
  label: z.string().max(64).default(''),
  spec: SpecChoice.describe('What sessions of it run; what is left out is the default'),
  overrides: z
    .array(SpecKey)
    .max(SpecKey.options.length)
    .default([])
    .describe('The keys of the spec that who makes a session may choose; each replaces the template’s as a whole'),
  warm: z
    .int()
    .min(0)
    .max(WARM_MAX)
    .default(0)
    .describe('Sessions kept ready on each agent that has room, to be taken at once'),
});

const TemplateView = Content.extend({
  id: z.string(),
  revision: z.int().describe('Counts the changes; a session says by which it was made'),
  createdAt: z.string(),
  updatedAt: z.string(),
  pool: z
    .object({
      ready: z.int(),
      starting: z.int(),
      lastFailure: Failure.extend({ at: z.string(), agentId: z.string() }).optional(),
    })
    .describe('Its sessions that wait to be taken; templates that come to the same session share them'),
});

const Params = z.object({ templateId: Id });
const tags = ['templates'];

export interface TemplateRoutesDeps {
  templates: Templates;
  pools: WarmPools;
  audit: Audit;
}

export function addTemplateRoutes(app: App, { templates, pools, audit }: TemplateRoutesDeps): void {
  const present = async (template: Template): Promise<z.input<typeof TemplateView>> => ({
    ...template,
    pool: await pools.statusOf(template),
  });

  app.post(
    '/api/v1/templates',
    {
      schema: {
        tags,
        summary: 'Make a template for sessions',
        body: Content.extend({ id: Id }),
        response: { 201: TemplateView },
      },
    },
    async ({ body: { id, ...content }, id: requestId }, reply) => {
      const template = await templates.create(id, content);
      audit.record({ actor: 'admin', action: 'template.created', target: `template:${id}`, requestId });
      return reply.code(201).send(await present(template));
    },
  );

  app.get(
    '/api/v1/templates',
    { schema: { tags, summary: 'List templates', response: { 200: z.object({ templates: z.array(TemplateView) }) } } },
    async () => ({ templates: await Promise.all((await templates.list(() => undefined)).map(present)) }),
  );

  app.get(
    '/api/v1/templates/:templateId',
    { schema: { tags, summary: 'Show a template', params: Params, response: { 200: TemplateView } } },
    async ({ params }) => present(await templates.get(params.templateId)),
  );

  app.put(
    '/api/v1/templates/:templateId',
    {
      schema: {
        tags,
        summary: 'Change a template, as a whole; sessions that it made stay as they are',
        params: Params,
        body: Content.extend({
          revision: z.int().min(1).optional().describe('That the caller has seen: CONFLICT when it is another by now'),
        }),
        response: { 200: TemplateView },
      },
    },
    async ({ params: { templateId }, body: { revision, ...content }, id: requestId }) => {
      const template = await templates.replace(templateId, content, revision);
      audit.record({
        actor: 'admin',
        action: 'template.changed',
        target: `template:${templateId}`,
        detail: { revision: template.revision },
        requestId,
      });
      return present(template);
    },
  );

  app.delete(
    '/api/v1/templates/:templateId',
    {
      schema: {
        tags,
        summary: 'Remove a template; sessions that it made go on, those of its pool end',
        params: Params,
      },
    },
    async ({ params: { templateId }, id: requestId }, reply) => {
      await templates.remove(templateId);
      audit.record({ actor: 'admin', action: 'template.removed', target: `template:${templateId}`, requestId });
      return reply.code(204).send();
    },
  );
}
