import { z } from 'zod';
import { GatewayError } from '../../errors.ts';
import { SessionSpec, SpecChoice, SpecKey } from '../../protocol/session.ts';
import type { Store } from '../store/store.ts';
import type { TemplateRow } from '../store/tables.ts';

/** Templates of one gateway; more are refused with CONFLICT. */
const TEMPLATES_MAX = 1000;

/** What a template says. */
export interface TemplateContent {
  label: string;
  spec: SpecChoice;
  /** What a caller may choose in the template's place. */
  overrides: SpecKey[];
  /** Sessions kept ready on each agent. */
  warm: number;
}

export interface Template extends TemplateContent {
  id: string;
  revision: number;
  createdAt: string;
  updatedAt: string;
}

/** What sessions are made by: stored, checked when they are written and again when they are used. */
export class Templates {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** @throws GatewayError BAD_REQUEST | CONFLICT */
  async create(id: string, content: TemplateContent): Promise<Template> {
    check(content);
    if ((await this.#store.templates.count()) >= TEMPLATES_MAX)
      throw new GatewayError('CONFLICT', `this gateway has ${TEMPLATES_MAX} templates, as many as it may`);
    if (!(await this.#store.templates.add(id, columnsOf(content), now())))
      throw new GatewayError('CONFLICT', `template ${id} exists; change it with PUT, or take another id`);
    return this.get(id);
  }

  /** @throws GatewayError TEMPLATE_NOT_FOUND | TEMPLATE_INVALID */
  async get(id: string): Promise<Template> {
    const row = await this.#store.templates.find(id);
    if (!row) throw new GatewayError('TEMPLATE_NOT_FOUND', `there is no template ${id}`);
    return templateOf(row);
  }

  /** Those that this gateway understands no more are left out and told to `onInvalid`. */
  async list(onInvalid: (id: string, error: GatewayError) => void): Promise<Template[]> {
    const rows = await this.#store.templates.list(TEMPLATES_MAX);
    return rows.flatMap((row) => {
      try {
        return [templateOf(row)];
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        onInvalid(row.id, error);
        return [];
      }
    });
  }

  /** @throws GatewayError BAD_REQUEST | TEMPLATE_NOT_FOUND, and CONFLICT when it has another revision than the caller has seen */
  async replace(id: string, content: TemplateContent, revision?: number): Promise<Template> {
    check(content);
    const row = await this.#store.templates.replace(id, columnsOf(content), { expected: revision, now: now() });
    if (row) return templateOf(row);
    if (!(await this.#store.templates.find(id)))
      throw new GatewayError('TEMPLATE_NOT_FOUND', `there is no template ${id}; make it with POST`);
    throw new GatewayError('CONFLICT', `template ${id} has been changed since revision ${revision}; read it again`);
  }

  /** Sessions that it made go on. @throws GatewayError TEMPLATE_NOT_FOUND */
  async remove(id: string): Promise<void> {
    if (!(await this.#store.templates.remove(id)))
      throw new GatewayError('TEMPLATE_NOT_FOUND', `there is no template ${id}`);
  }
}

/** What the template and the caller's choice make together; a key that is chosen replaces the template's as a whole. @throws GatewayError BAD_REQUEST */
export function applyTemplate({ id, spec, overrides }: Template, choice: SpecChoice): SpecChoice {
  const refused = Object.keys(choice).filter((key) => !overrides.some((allowed) => allowed === key));
  if (refused.length > 0)
    throw new GatewayError(
      'BAD_REQUEST',
      `template ${id} decides ${refused.join(', ')} itself; ${overrides.length === 0 ? 'nothing of it may be overridden' : `it lets callers choose ${overrides.join(', ')}`}`,
    );
  return { ...spec, ...choice };
}

/** @throws GatewayError BAD_REQUEST for what each part allows and the whole doesn't */
function check({ spec, overrides, warm }: TemplateContent): void {
  if (new Set(overrides).size < overrides.length) throw new GatewayError('BAD_REQUEST', 'overrides names a key twice');
  if (spec.home === undefined) return;
  if (warm > 0)
    throw new GatewayError(
      'BAD_REQUEST',
      'a session that waits in a pool is nobody\'s, so a template with "home" can have no "warm"',
    );
  if (!overrides.includes('home'))
    throw new GatewayError(
      'BAD_REQUEST',
      'one session at a time has a home: let "overrides" name "home", or take it out of the template',
    );
}

function columnsOf({ label, spec, overrides, warm }: TemplateContent) {
  return { label, spec: JSON.stringify(spec), overrides: JSON.stringify(overrides), warm };
}

/** @throws GatewayError TEMPLATE_INVALID for one that another version wrote, and this one can't use */
function templateOf(row: TemplateRow): Template {
  const stored = z
    .object({ spec: SpecChoice.refine((spec) => SessionSpec.safeParse(spec).success), overrides: z.array(SpecKey) })
    .safeParse({ spec: JSON.parse(row.spec), overrides: JSON.parse(row.overrides) });
  if (!stored.success)
    throw new GatewayError(
      'TEMPLATE_INVALID',
      `template ${row.id} does not fit this gateway any more; change it with PUT: ${z.prettifyError(stored.error)}`,
    );
  const { id, label, warm, revision, created_at: createdAt, updated_at: updatedAt } = row;
  return { id, label, ...stored.data, warm, revision, createdAt, updatedAt };
}

function now(): string {
  return new Date().toISOString();
}
