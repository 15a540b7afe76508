// The bodies that an agent may send to Docker, field by field. A field that is not here is refused, whatever its value: Privileged,
// Devices, Binds, VolumesFrom, PidMode, Sysctls, Runtime and all those that a later version of the API may bring.
import { z } from 'zod';
import { Id, MOUNTS_MAX, MountTarget } from '../../protocol/session.ts';
import { FIRST_PROCESS_CAPABILITIES } from './capabilities.ts';
import { isMountable, type MountRoot } from './mounts.ts';
import type { PolicyOptions } from './policy.ts';

const MIB = 1024 * 1024;
const SESSION_NAME = /^nekogate-[a-z0-9][a-z0-9-]{0,63}$/;
/** The name of a volume that is a home. */
export const HOME_VOLUME = 'nekogate-home-[a-z0-9][a-z0-9-]{0,63}';
const HomeVolume = z.string().regex(new RegExp(`^${HOME_VOLUME}$`));
const Text = z.string().max(65_536);

/** Every label is ours and the owner's is this agent. */
function labels(agentId: string): z.ZodType<Record<string, string>> {
  return z
    .record(z.string().regex(/^nekogate\.[a-z-]{1,32}$/), Text)
    .refine((all) => all['nekogate.agent'] === agentId, "the label nekogate.agent is not this agent's");
}

export function networkBody(agentId: string): z.ZodType<Record<string, unknown>> {
  return z.strictObject({
    Name: z.string().regex(SESSION_NAME),
    Driver: z.literal('bridge'),
    CheckDuplicate: z.literal(true),
    Labels: labels(agentId),
  });
}

/** A local volume without options: `o=bind,device=/` would be a mount of the host's. */
export function volumeBody(agentId: string): z.ZodType<Record<string, unknown>> {
  return z.strictObject({
    Name: HomeVolume,
    Driver: z.literal('local'),
    Labels: labels(agentId),
  });
}

interface ContainerRules extends Omit<PolicyOptions, 'allowImages' | 'allowRootImages'> {
  isAllowedImage: (name: string) => boolean;
  mayStartAsRoot: (name: string) => boolean;
}

const HOME_MOUNT = z.strictObject({
  Type: z.literal('volume'),
  Source: HomeVolume,
  Target: z.string().regex(/^\/home\/[a-z][a-z0-9_-]{0,31}$/),
});

/** A folder in a declared root as it is on the disk at this moment: a path with a link or `..` in it is not its own real path. */
function bindMount(roots: readonly MountRoot[]) {
  return z
    .strictObject({
      Type: z.literal('bind'),
      Source: z.string().max(4096),
      Target: MountTarget,
      ReadOnly: z.boolean(),
      BindOptions: z.strictObject({ Propagation: z.literal('rprivate'), NonRecursive: z.literal(true) }),
    })
    .refine(
      ({ Source, ReadOnly }) => isMountable(roots, Source, ReadOnly),
      'is not a folder in a declared root that may be had so',
    );
}

export function containerBody(rules: ContainerRules): z.ZodType<Record<string, unknown>> {
  const { min, max } = rules.udpPorts;
  const udpPort = z
    .string()
    .refine(
      (text) => isPortIn(text.replace(/\/udp$/, ''), min, max) && text.endsWith('/udp'),
      `is not a UDP port from ${min} to ${max}`,
    );
  const securityOptions = [
    'no-new-privileges:true',
    ...(rules.seccompProfile === undefined ? [] : [`seccomp=${rules.seccompProfile}`]),
  ];
  return z
    .strictObject({
      Image: z.string().refine(rules.isAllowedImage, "is not on this host's list of images"),
      Env: z.array(Text.regex(/^[A-Za-z_][A-Za-z0-9_]*=/)).max(256),
      Labels: labels(rules.agentId),
      Healthcheck: z.strictObject({ Test: z.tuple([z.literal('NONE')]) }),
      ExposedPorts: z.record(udpPort, z.strictObject({})),
      HostConfig: z.strictObject({
        NetworkMode: z.string().regex(SESSION_NAME),
        PortBindings: z.record(
          udpPort,
          z.tuple([z.strictObject({ HostIp: z.literal(rules.publishAddress), HostPort: z.string() })]),
        ),
        Mounts: z
          .array(z.discriminatedUnion('Type', [HOME_MOUNT, bindMount(rules.mountRoots ?? [])]))
          .max(1 + MOUNTS_MAX)
          .refine((all) => all.filter(({ Type }) => Type === 'volume').length <= 1, 'has more than one home')
          .refine((all) => new Set(all.map(({ Target }) => Target)).size === all.length, 'has one target twice'),
        Init: z.literal(true),
        CapDrop: z.tuple([z.literal('ALL')]),
        CapAdd: z.array(z.enum(FIRST_PROCESS_CAPABILITIES)).max(FIRST_PROCESS_CAPABILITIES.length).optional(),
        SecurityOpt: z
          .array(z.enum(securityOptions))
          .refine((given) => given.includes('no-new-privileges:true'), 'no-new-privileges is missing'),
        // Unlimited is 0 or -1 at the daemon.
        NanoCpus: z.int().min(1e7).max(256e9),
        Memory: z.int().min(64 * MIB),
        MemorySwap: z.int().min(64 * MIB),
        PidsLimit: z.int().min(16).max(65_536),
        ShmSize: z.int().min(16 * MIB),
        RestartPolicy: z.strictObject({ Name: z.literal('no') }),
        LogConfig: z.strictObject({
          Type: z.literal('json-file'),
          Config: z.strictObject({
            'max-size': z.string().regex(/^\d{1,2}m$/),
            'max-file': z.string().regex(/^[1-9]$/),
          }),
        }),
      }),
    })
    .superRefine(({ Image, HostConfig: host, ExposedPorts, Labels }, context) => {
      const refuse = (message: string): void => context.addIssue({ code: 'custom', message });
      if (host.CapAdd !== undefined && !rules.mayStartAsRoot(Image))
        refuse('CapAdd is only for images that this host lets start as root');
      if (host.MemorySwap !== host.Memory) refuse('MemorySwap differs from Memory, which lets it swap');
      const published = Object.entries(host.PortBindings);
      if (published.length > rules.udpPortsMax) refuse(`more than ${rules.udpPortsMax} ports are published`);
      // One to one, or what neko tells its viewers is wrong; and another one could be a port of somebody else's slice.
      for (const [port, [{ HostPort }]] of published)
        if (`${HostPort}/udp` !== port) refuse(`${port} is published as ${HostPort}`);
      if (Object.keys(ExposedPorts).some((port) => !(port in host.PortBindings)))
        refuse('a port is exposed and not published');
      const session = Id.safeParse(Labels['nekogate.session']);
      if (!session.success || host.NetworkMode !== `nekogate-${session.data}`)
        refuse("NetworkMode is not the session's own network");
    });
}

function isPortIn(text: string, min: number, max: number): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) >= min && Number(text) <= max;
}
