import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { DockerRuntimeOptions } from '../agent/runtimes/docker.ts';
import { ProcessRuntime } from '../agent/runtimes/process.ts';
import type { Runtime } from '../agent/runtimes/runtime.ts';
import type { Environment } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { findStreamer } from '../neko/find.ts';

export const RUNTIME_USAGE = `  --runtime NAME      process (local processes, the default) or docker (containers)

with --runtime docker, at DOCKER_HOST or unix:///var/run/docker.sock:
  --image NAME        what sessions run that name no image (nekogate/desktop)
  --allow-image NAME  an image that sessions may run, * for any text; again for more (nekogate/desktop*)
  --allow-root-image NAME
                      the same for images that start as root, as neko's own do (none); they get six capabilities
  --mount-root NAME=FOLDER[:ro]
                      a folder of this host that sessions may have parts of, with :ro only for reading; again for more
  --udp-range A-B     the host's UDP ports for media (59000-59999)
  --udp-slice N       how many of them a session has, one for each viewer (8)
  --udp-mux           one UDP port a session, shared by its viewers
  --tcp-mux PORT      have neko offer WebRTC over TCP at this port of its container, too
  --publish ADDRESS   the address of the host that UDP ports are published on (all)
  --seccomp FILE      the seccomp profile of sessions (ours, which lets Chromium make its own sandbox)
  --end-sessions      end sessions with the agent; else they run on, and the next agent takes them over
  --prune [--yes]     show what agents of this id left on this host and nobody has now; with --yes, remove it
`;

export const RUNTIME_OPTIONS = {
  runtime: { type: 'string', default: 'process' },
  image: { type: 'string' },
  'allow-image': { type: 'string', multiple: true },
  'allow-root-image': { type: 'string', multiple: true },
  'mount-root': { type: 'string', multiple: true },
  'udp-range': { type: 'string' },
  'udp-slice': { type: 'string' },
  'udp-mux': { type: 'boolean' },
  'tcp-mux': { type: 'string' },
  publish: { type: 'string' },
  seccomp: { type: 'string' },
} as const;

/** Where every dockerd listens unless told otherwise. */
export const DEFAULT_DOCKER_HOST = 'unix:///var/run/docker.sock';

const DOCKER_ONLY = [
  'image',
  'allow-image',
  'allow-root-image',
  'mount-root',
  'udp-range',
  'udp-slice',
  'udp-mux',
  'tcp-mux',
  'publish',
  'seccomp',
] as const;

const PortNumber = z.int().min(1).max(65_535);
const Port = z.coerce.number().pipe(PortNumber);

const MountRootText = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,63}=\/.*$/, 'is like data=/srv/data or data=/srv/data:ro')
  .transform((text) => {
    const [, name = '', path = '', readOnly] = /^([^=]+)=(.*?)(:ro)?$/.exec(text) ?? [];
    return { name, path, isWritable: readOnly === undefined };
  });

const RuntimeValues = z
  .object({
    runtime: z.enum(['process', 'docker']),
    image: z.string().default('nekogate/desktop'),
    'allow-image': z.array(z.string().min(1)).optional(),
    'allow-root-image': z.array(z.string().min(1)).optional(),
    'mount-root': z.array(MountRootText).max(64).default([]),
    'udp-range': z
      .string()
      .regex(/^\d+-\d+$/, 'is like 59000-59999')
      .transform((text): [number, number] => {
        const [min = 0, max = 0] = text.split('-').map(Number);
        return [min, max];
      })
      .pipe(z.tuple([PortNumber, PortNumber]))
      .refine(([min, max]) => min <= max, 'begins after its end')
      .prefault('59000-59999'),
    'udp-slice': z.coerce.number().int().min(1).max(1000).default(8),
    'udp-mux': z.boolean().default(false),
    'tcp-mux': Port.optional(),
    publish: z.union([z.ipv4(), z.ipv6()]).optional(),
    seccomp: z.string().optional(),
  })
  .refine(({ 'udp-range': [min, max], 'udp-slice': size }) => max - min + 1 >= size, {
    path: ['udp-range'],
    message: 'is shorter than one slice',
  });

/** What the command line says of how sessions run. */
export type RuntimeChoice = z.output<typeof RuntimeValues>;

/** @throws GatewayError BAD_REQUEST */
export function readRuntimeChoice(values: Record<string, unknown>): RuntimeChoice {
  const parsed = RuntimeValues.safeParse(values);
  if (!parsed.success) throw new GatewayError('BAD_REQUEST', z.prettifyError(parsed.error));
  const stray = DOCKER_ONLY.find((name) => values[name] !== undefined);
  if (parsed.data.runtime !== 'docker' && stray !== undefined)
    throw new GatewayError('BAD_REQUEST', `--${stray} is for --runtime docker`);
  return parsed.data;
}

export interface HostRuntime {
  runtime: Runtime;
  /** What its sessions are streamed by, as far as that is known before they start. */
  streamer: 'neko' | 'embedded';
}

export interface HostRuntimeOptions {
  agentId: string;
  nat1to1: string[];
  log: Logger;
}

/** The runtime of this host's agent. */
export async function openRuntime(
  environment: Environment,
  choice: RuntimeChoice | undefined,
  options: HostRuntimeOptions,
): Promise<HostRuntime> {
  if (choice?.runtime === 'docker') {
    const { DockerRuntime } = await import('../agent/runtimes/docker.ts');
    return { runtime: new DockerRuntime(dockerOptionsOf(environment, choice, options)), streamer: 'neko' };
  }
  const { nat1to1, log } = options;
  return { runtime: new ProcessRuntime({ environment, log, nat1to1 }), streamer: findStreamer(environment).kind };
}

export function dockerOptionsOf(
  environment: Environment,
  choice: RuntimeChoice,
  { agentId, nat1to1, log }: HostRuntimeOptions,
): DockerRuntimeOptions {
  const [min, max] = choice['udp-range'];
  return {
    agentId,
    dockerHost: environment.dockerHost ?? DEFAULT_DOCKER_HOST,
    runtimeDir: environment.runtimeDir,
    image: choice.image,
    allowRootImages: choice['allow-root-image'] ?? [],
    ...(choice['allow-image'] ? { allowImages: choice['allow-image'] } : {}),
    mountRoots: choice['mount-root'],
    nat1to1,
    slices: { range: { min, max }, size: choice['udp-slice'] },
    udpMux: choice['udp-mux'],
    tcpMux: choice['tcp-mux'],
    publishAddress: choice.publish ?? '',
    seccompFile: choice.seccomp ?? ourProfile(),
    log,
  };
}

/** The profile that comes with our images; where it is missing, containers have Docker's own. */
function ourProfile(): string | undefined {
  const file = fileURLToPath(new URL('../../images/desktop/seccomp.json', import.meta.url));
  return existsSync(file) ? file : undefined;
}
