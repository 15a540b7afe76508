import { DockerEngine } from '../agent/docker/engine.ts';
import { DockerPolicy } from '../agent/docker/policy.ts';
import { findStrays, removeStrays } from '../agent/docker/strays.ts';
import type { Environment } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { DEFAULT_DOCKER_HOST, type RuntimeChoice } from './runtime.ts';

/** Shows what agents of this id left in Docker and no living one has; removes it when told to. */
export async function prune(
  { dockerHost }: Environment,
  agentId: string,
  { runtime, yes }: { runtime: RuntimeChoice; yes: boolean },
): Promise<number> {
  if (runtime.runtime !== 'docker') throw new GatewayError('BAD_REQUEST', '--prune is for --runtime docker');
  const [min, max] = runtime['udp-range'];
  // It starts nothing, so there is no image that it may.
  const policy = new DockerPolicy({
    agentId,
    allowImages: [],
    udpPorts: { min, max },
    udpPortsMax: 0,
    publishAddress: '',
  });
  const engine = new DockerEngine({ host: dockerHost ?? DEFAULT_DOCKER_HOST, agentId, policy });
  const strays = await findStrays(engine);
  for (const { kind, id, session, state, created } of strays)
    process.stdout.write(`${[kind, id.slice(0, 12), session, state, created].join('\t')}\n`);
  if (strays.length === 0) process.stdout.write(`agents of the id ${agentId} left nothing here\n`);
  else if (yes) await removeStrays(engine, strays);
  else process.stdout.write('--yes removes these; homes are kept\n');
  return 0;
}
