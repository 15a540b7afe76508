import { createHash } from 'node:crypto';
import { z } from 'zod';
import { Id, SessionSpec } from '../../protocol/session.ts';
import type { UdpPorts } from './udp-slices.ts';

/** What a container says of itself, so that the next agent knows all of it. neko's password is in its environment, not here. */
export interface SessionLabels {
  agentId: string;
  sessionId: string;
  /** Instance of the agent that made it. */
  epoch: string;
  spec: SessionSpec;
  ports: UdpPorts;
  /** ISO 8601. */
  created: string;
}

const JsonSpec = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'is not JSON' });
    return z.NEVER;
  }
});

const Ports = z
  .string()
  .regex(/^[1-9]\d{0,4}-[1-9]\d{0,4}$/)
  .transform((text) => {
    const [min = 0, max = 0] = text.split('-').map(Number);
    return { min, max };
  })
  .refine(({ min, max }) => min <= max && max <= 65_535);

const Labels = z.object({
  'nekogate.agent': Id,
  'nekogate.session': Id,
  'nekogate.epoch': z.string(),
  'nekogate.spec': JsonSpec.pipe(SessionSpec),
  'nekogate.ports': Ports,
  'nekogate.created': z.string(),
});

export function agentLabel(agentId: string): string {
  return `nekogate.agent=${agentId}`;
}

export function encodeLabels({
  agentId,
  sessionId,
  epoch,
  spec,
  ports,
  created,
}: SessionLabels): Record<string, string> {
  const text = JSON.stringify(spec);
  return {
    'nekogate.agent': agentId,
    'nekogate.session': sessionId,
    'nekogate.epoch': epoch,
    'nekogate.spec': text,
    // Differs exactly when the session would be made otherwise.
    'nekogate.spec-hash': createHash('sha256').update(text).digest('hex').slice(0, 16),
    'nekogate.ports': `${ports.min}-${ports.max}`,
    'nekogate.created': created,
  };
}

/** @returns undefined when they aren't whole: then it is no session that could be taken over */
export function decodeLabels(labels: Readonly<Record<string, string>>): SessionLabels | undefined {
  const { data } = Labels.safeParse(labels);
  return (
    data && {
      agentId: data['nekogate.agent'],
      sessionId: data['nekogate.session'],
      epoch: data['nekogate.epoch'],
      spec: data['nekogate.spec'],
      ports: data['nekogate.ports'],
      created: data['nekogate.created'],
    }
  );
}

/** The ports that anything of ours has, whole or not. */
export function portsOf(labels: Readonly<Record<string, string>>): UdpPorts | undefined {
  return Ports.safeParse(labels['nekogate.ports']).data;
}
