import type { ContainerCreateOptions } from 'dockerode';
import { FIRST_PROCESS_CAPABILITIES } from './capabilities.ts';
import { containerEnvironment, type ContainerSettings } from './environment.ts';
import { homeVolumeOf } from './homes.ts';
import type { Bind } from './mounts.ts';
import type { ImageFacts } from './replies.ts';

const MIB = 1024 * 1024;

export interface ContainerPlan extends ContainerSettings {
  image: string;
  facts: ImageFacts;
  /** The name of the session's network. */
  network: string;
  labels: Record<string, string>;
  /** Folders of the host. */
  binds: readonly Bind[];
  publishAddress: string;
  seccompProfile: string | undefined;
}

/** The body of `POST /containers/create` for one session. */
export function containerBodyOf(plan: ContainerPlan): ContainerCreateOptions {
  const { spec, ports, facts } = plan;
  const udpPorts = Array.from({ length: ports.max - ports.min + 1 }, (_, offset) => ports.min + offset);
  const memory = spec.resources.memoryMb * MIB;
  return {
    Image: plan.image,
    Env: Object.entries(containerEnvironment(plan)).map(([name, value]) => `${name}=${value}`),
    Labels: plan.labels,
    // The agent asks neko itself; a program that the daemon starts in each container every few seconds costs more than an idle desktop.
    Healthcheck: { Test: ['NONE'] },
    ExposedPorts: Object.fromEntries(udpPorts.map((port) => [`${port}/udp`, {}])),
    HostConfig: {
      NetworkMode: plan.network,
      PortBindings: Object.fromEntries(
        udpPorts.map((port) => [`${port}/udp`, [{ HostIp: plan.publishAddress, HostPort: String(port) }]]),
      ),
      Mounts: [
        ...(spec.home === undefined
          ? []
          : [{ Type: 'volume' as const, Source: homeVolumeOf(spec.home), Target: homeIn(facts) }]),
        ...plan.binds,
      ],
      Init: true,
      CapDrop: ['ALL'],
      ...(facts.startsAsRoot ? { CapAdd: [...FIRST_PROCESS_CAPABILITIES] } : {}),
      SecurityOpt: [
        'no-new-privileges:true',
        ...(plan.seccompProfile === undefined ? [] : [`seccomp=${plan.seccompProfile}`]),
      ],
      NanoCpus: Math.round(spec.resources.cpus * 1e9),
      Memory: memory,
      // The same as memory: no swap.
      MemorySwap: memory,
      PidsLimit: spec.resources.pids,
      ShmSize: spec.resources.shmMb * MIB,
      // The agent restarts it, by its own policy; the daemon would do so for ever, and behind its back.
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m', 'max-file': '2' } },
    },
  };
}

/** Where an image has its user's home: as its label `nekogate.home` says, else the one that it starts in, else as in neko's own images. */
function homeIn({ labels, workingFolder }: ImageFacts): string {
  return labels['nekogate.home'] ?? (workingFolder.startsWith('/home/') ? workingFolder : '/home/neko');
}

/** At which port an image's VNC server listens, by its label `nekogate.vnc`; undefined where it has none of ours. */
export function vncPortIn({ labels }: Pick<ImageFacts, 'labels'>): number | undefined {
  return portIn(labels['nekogate.vnc']);
}

/** At which port an image's desktop serves its tools, by its label `nekogate.tools`; undefined where it has none. */
export function toolsPortIn({ labels }: Pick<ImageFacts, 'labels'>): number | undefined {
  return portIn(labels['nekogate.tools']);
}

function portIn(label: string | undefined): number | undefined {
  const port = Number(label);
  return Number.isInteger(port) && port > 0 ? port : undefined;
}

/** Which streamer an image has: as its label `nekogate.streamer` says, else neko. */
export function streamerIn({ labels }: Pick<ImageFacts, 'labels'>): 'neko' | 'embedded' {
  return labels['nekogate.streamer'] === 'embedded' ? 'embedded' : 'neko';
}
