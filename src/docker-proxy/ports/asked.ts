import { z } from 'zod';
import type { Inspected } from '../engine.ts';
import { ASKED_LABEL, OWNER_LABEL } from '../labels.ts';

const KEYS: Record<string, string> = { hostip: 'HostIp', hostport: 'HostPort' };

/** Keys as Go's decoder takes them: without regard to case, and null for nothing. */
const Binding = z.preprocess(
  (value) =>
    typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value).flatMap(([key, text]: [string, unknown]) =>
            text === null ? [] : [[KEYS[key.toLowerCase()] ?? key, text] as const],
          ),
        )
      : value,
  z.object({ HostIp: z.string().optional(), HostPort: z.string().optional() }),
);
const Bindings = z.record(z.string(), z.array(Binding).nullable());

/** What a user asked to be published: HostConfig.PortBindings and PublishAllPorts, as they were sent. */
export const Asked = z.object({ bindings: Bindings, all: z.boolean() });
export type Asked = z.infer<typeof Asked>;

/** One published port: where it is to be on this machine. */
export interface Wish {
  /** Of the container: `80/tcp`. */
  port: string;
  /** As it was sent: empty for every address. */
  address: string;
  /** The ports of which one will do, both ends included; undefined: any. */
  range: { first: number; last: number } | undefined;
}

/** Every published port of a container in order, those of -P last. @returns undefined when a port is nonsense, which the daemon tells best */
export function wishesOf({ bindings, all }: Asked, published: readonly string[]): Wish[] | undefined {
  const wishes: Wish[] = [];
  for (const [port, list] of Object.entries(bindings))
    for (const { HostIp: address = '', HostPort: text = '' } of list ?? []) {
      const range = parseRange(text);
      if (range === 'nonsense') return undefined;
      wishes.push({ port: normalPort(port), address, range });
    }
  if (all)
    for (const port of published.map(normalPort))
      if (!wishes.some((wish) => wish.port === port)) wishes.push({ port, address: '', range: undefined });
  return wishes;
}

/** `80` is `80/tcp`. */
export function normalPort(port: string): string {
  const [number = '', protocol = 'tcp'] = port.split('/');
  return `${number}/${protocol.toLowerCase()}`;
}

/** What a container of this owner was asked to publish; undefined for all other containers. */
export function readAsked(container: Inspected, owner: string): Asked | undefined {
  const labels = container.Config.Labels ?? {};
  if (labels[OWNER_LABEL] !== owner) return undefined;
  try {
    return Asked.parse(JSON.parse(labels[ASKED_LABEL] ?? ''));
  } catch {
    // Inherited from an image, or somebody else's.
    return undefined;
  }
}

function parseRange(text: string): Wish['range'] | 'nonsense' {
  if (text === '' || text === '0') return undefined;
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  return match === null || first < 1 || last > 65_535 || first > last ? 'nonsense' : { first, last };
}
