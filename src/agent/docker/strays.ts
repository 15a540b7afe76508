import { claimUdpPorts } from '../udp-claims.ts';
import type { DockerEngine } from './engine.ts';
import { portsOf } from './labels.ts';

/** Something of an agent's that no living agent has. */
export interface Stray {
  kind: 'container' | 'network';
  id: string;
  /** The session's id, as far as it says. */
  session: string;
  /** As Docker says; empty for a network. */
  state: string;
  created: string;
}

/** What agents of the engine's id left on this host. A living agent has a claim on the ports of what is its own. */
export async function findStrays(engine: DockerEngine): Promise<Stray[]> {
  const containers = (await engine.listOwn()).map((container) => ({ kind: 'container' as const, ...container }));
  const networks = (await engine.listOwnNetworks()).map((network) => ({
    kind: 'network' as const,
    state: '',
    ...network,
  }));
  const strays: Stray[] = [];
  for (const { kind, id, state, labels } of [...containers, ...networks]) {
    const ports = portsOf(labels);
    const claim = ports && (await claimUdpPorts(ports));
    await claim?.release();
    if (ports && !claim) continue;
    strays.push({
      kind,
      id,
      session: labels['nekogate.session'] ?? '',
      state,
      created: labels['nekogate.created'] ?? '',
    });
  }
  return strays;
}

/** Containers first, for a network lets go of itself only then. */
export async function removeStrays(engine: DockerEngine, strays: readonly Stray[]): Promise<void> {
  for (const { kind, id } of strays.toSorted((one, other) => one.kind.localeCompare(other.kind)))
    await (kind === 'container' ? engine.remove(id) : engine.removeNetwork(id));
}
