import { z } from 'zod';
import { GatewayError, messageOf } from '../../errors.ts';
import { SessionSpec } from '../../protocol/session.ts';
import type { MountRoot } from './mounts.ts';
import { containerBody, HOME_VOLUME, networkBody, volumeBody } from './policy-bodies.ts';
import { parseStrictJson } from './strict-json.ts';

/** One call of the Docker API as it goes to the daemon. */
export interface DockerCall {
  method: string;
  /** Without version and query. */
  path: string;
  query: Readonly<Record<string, string>>;
  /** The JSON text of its body. */
  body?: string | undefined;
}

/** What may go to the daemon: made anew from what was understood, never the caller's own bytes. */
export interface AllowedCall {
  query: Record<string, string>;
  body?: Record<string, unknown>;
}

export interface PolicyOptions {
  agentId: string;
  /** Which images sessions may run; `*` stands for any text, and a pattern without a tag takes every tag. */
  allowImages: readonly string[];
  /** Further ones, which may also start as root, with what `FIRST_PROCESS_CAPABILITIES` says. */
  allowRootImages?: readonly string[];
  /** Folders of the host that containers may have parts of, by `openMountRoots`. */
  mountRoots?: readonly MountRoot[];
  /** UDP ports that may be published, both ends included. */
  udpPorts: { min: number; max: number };
  /** How many of them one session may have. */
  udpPortsMax: number;
  /** The host's address that they are published on; empty, all of them. */
  publishAddress: string;
  /** The one seccomp profile, beside the daemon's own, that a container may have: its JSON text. */
  seccompProfile?: string | undefined;
}

export const DEFAULT_ALLOWED_IMAGES = ['nekogate/desktop*'];

type Rule = (call: DockerCall, match: RegExpExecArray) => AllowedCall;

const OBJECT_ID = '[0-9a-f]{64}';
const HOME_VOLUME_PATH = new RegExp(`^/volumes/(${HOME_VOLUME})$`);
const NO_QUERY = z.strictObject({});
/** Containers and networks of ours have a session's id in their name. */
const SESSION_NAME = /^nekogate-[a-z0-9][a-z0-9-]{0,63}$/;

/**
 * Stands in front of every call of the Docker API that an agent makes. What it doesn't know it refuses: calls, query parameters, fields
 * of a body, values. Containers and networks can be touched by the ids that the daemon gave for those of this agent, and by no other.
 */
export class DockerPolicy {
  readonly #options: PolicyOptions;
  readonly #images: RegExp[];
  readonly #rootImages: RegExp[];
  /** Ids of this agent's containers and networks; names of its volumes. */
  readonly #own = new Set<string>();
  readonly #rules: [method: string, path: RegExp, rule: Rule][];

  constructor(options: PolicyOptions) {
    this.#options = options;
    this.#rootImages = (options.allowRootImages ?? []).map(patternOf);
    this.#images = [...options.allowImages.map(patternOf), ...this.#rootImages];
    const label = `nekogate.agent=${options.agentId}`;
    const container = containerBody({
      ...options,
      isAllowedImage: (name) => this.isAllowedImage(name),
      mayStartAsRoot: (name) => this.#mayStartAsRoot(name),
    });
    const ofOwn = (kind: string, rest = ''): RegExp => new RegExp(`^/${kind}/(${OBJECT_ID})${rest}$`);
    this.#rules = [
      ['GET', /^\/_ping$/, this.#plain(NO_QUERY)],
      ['GET', /^\/version$/, this.#plain(NO_QUERY)],
      // Who has which ports is asked of all agents' containers; what is learned to be ours comes from our own label alone.
      [
        'GET',
        /^\/containers\/json$/,
        this.#plain(z.strictObject({ all: z.literal('true'), filters: filters([[label], ['nekogate.ports']]) })),
      ],
      [
        'POST',
        /^\/containers\/create$/,
        this.#bodied(z.strictObject({ name: z.string().regex(SESSION_NAME) }), container),
      ],
      ['GET', ofOwn('containers', '/json'), this.#owned(NO_QUERY)],
      [
        'GET',
        ofOwn('containers', '/logs'),
        this.#owned(
          z.strictObject({ stdout: z.literal('true'), stderr: z.literal('true'), tail: z.string().regex(/^\d{1,3}$/) }),
        ),
      ],
      ['POST', ofOwn('containers', '/start'), this.#owned(NO_QUERY)],
      ['POST', ofOwn('containers', '/stop'), this.#owned(z.strictObject({ t: z.string().regex(/^\d{1,2}$/) }))],
      ['POST', ofOwn('containers', '/kill'), this.#owned(NO_QUERY)],
      ['POST', ofOwn('containers', '/pause'), this.#owned(NO_QUERY)],
      ['POST', ofOwn('containers', '/unpause'), this.#owned(NO_QUERY)],
      ['DELETE', ofOwn('containers'), this.#owned(z.strictObject({ force: z.literal('true'), v: z.literal('true') }))],
      ['GET', /^\/events$/, this.#plain(z.strictObject({ filters: filters([[label]], { type: ['container'] }) }))],
      ['GET', /^\/images\/(.+)\/json$/, this.#image(NO_QUERY, (_call, match) => match[1] ?? '')],
      [
        'POST',
        /^\/images\/create$/,
        this.#image(z.strictObject({ fromImage: z.string(), tag: z.string().optional() }), ({ query }) =>
          nameOf(query),
        ),
      ],
      ['GET', /^\/networks$/, this.#plain(z.strictObject({ filters: filters([[label]]) }))],
      ['POST', /^\/networks\/create$/, this.#bodied(NO_QUERY, networkBody(options.agentId))],
      ['DELETE', ofOwn('networks'), this.#owned(NO_QUERY)],
      ['GET', HOME_VOLUME_PATH, this.#plain(NO_QUERY)],
      ['DELETE', HOME_VOLUME_PATH, this.#owned(NO_QUERY)],
      ['POST', /^\/volumes\/create$/, this.#bodied(NO_QUERY, volumeBody(options.agentId))],
    ];
  }

  /** @throws GatewayError POLICY_REFUSED */
  check(call: DockerCall): AllowedCall {
    for (const [method, path, rule] of this.#rules) {
      const match = method === call.method ? path.exec(call.path) : null;
      if (match) return rule(call, match);
    }
    throw refusal(call, 'this call is not one of those that an agent makes');
  }

  isAllowedImage(name: string): boolean {
    return SessionSpec.shape.image.safeParse(name).success && this.#images.some((image) => image.test(name));
  }

  /** @throws GatewayError POLICY_REFUSED */
  checkImage(name: string): void {
    if (!this.isAllowedImage(name))
      throw new GatewayError(
        'POLICY_REFUSED',
        `the image ${name} is not on this host's list (${this.#options.allowImages.join(', ')}); its operator adds it by --allow-image, or by --allow-root-image if it starts as root, as neko's own images do`,
      );
  }

  /** For an image that starts as root. @throws GatewayError POLICY_REFUSED */
  checkRootImage(name: string): void {
    if (!this.#mayStartAsRoot(name))
      throw new GatewayError(
        'POLICY_REFUSED',
        `the image ${name} starts as root, which this host doesn't let it; use one with a USER of its own, or have the host's operator allow it by --allow-root-image`,
      );
  }

  #mayStartAsRoot(name: string): boolean {
    return this.isAllowedImage(name) && this.#rootImages.some((image) => image.test(name));
  }

  /** A container, network or volume that is this agent's, as the daemon said. */
  own(id: string): void {
    this.#own.add(id);
  }

  disown(id: string): void {
    this.#own.delete(id);
  }

  #plain(query: z.ZodType<Record<string, string | undefined>>): Rule {
    return (call) => {
      if (call.body !== undefined) throw refusal(call, 'it has no body');
      return { query: understood(call, query, call.query) };
    };
  }

  #bodied(query: z.ZodType<Record<string, string | undefined>>, body: z.ZodType<Record<string, unknown>>): Rule {
    return (call) => ({
      query: understood(call, query, call.query),
      body: understood(call, body, parseBody(call)),
    });
  }

  #owned(query: z.ZodType<Record<string, string | undefined>>): Rule {
    return (call, match) => {
      if (!this.#own.has(match[1] ?? '')) throw refusal(call, "it is not this agent's");
      return this.#plain(query)(call, match);
    };
  }

  #image(
    query: z.ZodType<Record<string, string | undefined>>,
    imageOf: Rule extends (...of: infer Of) => unknown ? (...of: Of) => string : never,
  ): Rule {
    return (call, match) => {
      const allowed = this.#plain(query)(call, match);
      this.checkImage(imageOf(call, match));
      return allowed;
    };
  }
}

/** `*` stands for any text; a pattern that names no tag takes them all, and any digest. */
function patternOf(pattern: string): RegExp {
  const text = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*');
  const isTagged = /[:@][^/]*$/.test(pattern);
  return new RegExp(`^${text}${isTagged ? '' : '(?::[^/@]+)?(?:@.+)?'}$`);
}

function nameOf({ fromImage = '', tag }: Readonly<Record<string, string>>): string {
  if (tag === undefined) return fromImage;
  return tag.startsWith('sha256:') ? `${fromImage}@${tag}` : `${fromImage}:${tag}`;
}

/** The daemon's filters as a query parameter: JSON that has to have one of these lists of labels, and nothing else but `others`. */
function filters(labels: string[][], others: Record<string, string[]> = {}): z.ZodType<string> {
  const allowed = labels.map((label) => JSON.stringify({ ...others, label }));
  return z.string().refine((text) => allowed.includes(text), `is one of ${allowed.join(' or ')}`);
}

function parseBody(call: DockerCall): unknown {
  try {
    return parseStrictJson(call.body ?? '');
  } catch (cause) {
    throw refusal(call, `its body: ${messageOf(cause)}`, cause);
  }
}

/** A value that is exactly what the schema allows, without what is undefined. */
function understood<T extends Record<string, unknown>>(
  call: DockerCall,
  schema: z.ZodType<T>,
  value: unknown,
): Record<string, Exclude<T[string], undefined>> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw refusal(call, z.prettifyError(parsed.error));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the undefined ones are left out just here
  return Object.fromEntries(Object.entries(parsed.data).filter(([, each]) => each !== undefined)) as Record<
    string,
    Exclude<T[string], undefined>
  >;
}

function refusal({ method, path }: DockerCall, why: string, cause?: unknown): GatewayError {
  return new GatewayError('POLICY_REFUSED', `${method} ${path} is refused by this host's policy: ${why}`, { cause });
}
