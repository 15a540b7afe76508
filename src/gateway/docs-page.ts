import { z } from 'zod';
import { listFailures } from '../errors.ts';
import { html, page, type Html } from './html.ts';

/** What this page shows of an OpenAPI document. */
const Document = z.object({
  info: z.object({ title: z.string(), description: z.string().default('') }),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
});
const Operation = z.object({
  tags: z.array(z.string()).default([]),
  summary: z.string().default(''),
  description: z.string().default(''),
  parameters: z.array(z.object({ name: z.string(), in: z.string(), required: z.boolean().default(false) })).default([]),
  requestBody: z.unknown().optional(),
  responses: z.record(z.string(), z.unknown()).default({}),
  security: z.array(z.record(z.string(), z.unknown())).default([]),
});
type Operation = z.infer<typeof Operation> & { method: string; path: string };

/** The API for people: plain HTML from the OpenAPI document, no script. */
export function renderDocs(document: unknown): string {
  const { info, paths } = Document.parse(document);
  const operations: Operation[] = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      ...Operation.parse(operation),
      method: method.toUpperCase(),
      path,
    })),
  );
  const byTag = Map.groupBy(operations, (operation) => operation.tags[0] ?? 'other');
  return page(
    `${info.title}: the API`,
    html`<h1>${info.title}: the API</h1>
      ${renderProse(info.description)}
      <p>The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>
      ${[...byTag].map(
        ([tag, group]) =>
          html`<h2>${tag}</h2>
            ${group.map(renderOperation)}`,
      )}
      <h2>failures</h2>
      <pre>
${listFailures()
          .map(
            ({ code, status, close, retryable }) =>
              `${code.padEnd(24)} HTTP ${status}  close ${close}${retryable ? '  try again' : ''}`,
          )
          .join('\n')}</pre>`,
  );
}

/** Paragraphs, and `code` in them. */
function renderProse(text: string): Html[] {
  const renderCode = (piece: string, index: number): Html =>
    index % 2 === 1 ? html`<code>${piece}</code>` : html`${piece}`;
  return text.split(/\n\s*\n/).map((paragraph) => html`<p>${paragraph.split('`').map(renderCode)}</p>`);
}

function renderOperation({ method, path, summary, description, parameters, ...operation }: Operation): Html {
  const allowed = operation.security.map((scheme) => Object.keys(scheme).join('+')).join(' or ') || 'anybody';
  const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
  return html`<details>
    <summary><code>${method} ${path}</code> ${summary}</summary>
    <p>${description} Token: ${allowed}.</p>
    ${parameters.map(({ name, in: place, required }) => html`<p><code>${name}</code> in ${place}${required ? '' : ', optional'}</p>`)}
    ${
      operation.requestBody === undefined
        ? ''
        : html`<p>Body</p>
            <pre>${JSON.stringify(operation.requestBody, null, 2)}</pre>`
    }
    ${successes.map(
      ([status, response]) =>
        html`<p>Answer ${status}</p>
          <pre>${JSON.stringify(response, null, 2)}</pre>`,
    )}
  </details>`;
}
