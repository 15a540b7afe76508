// A desktop that has a container to itself, ordered by the container's environment: neko's own variables, and ours beside them.
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { RESERVED_ENVIRONMENT, ScreenText, SessionSpec } from '../protocol/session.ts';
import { CONTAINER_TOOLS_PORT, toolsSecretOf } from './container-tools.ts';
import { CONTAINER_VNC_PORT, vncPasswordOf } from './container-vnc.ts';
import { emptySessionFolder, sessionFolder, type SessionFolder } from './folder.ts';
import type { DesktopPlan } from './set.ts';
import { Ports } from './state.ts';

export type ContainerOrder = Required<Pick<DesktopPlan, 'order' | 'settings' | 'rfb' | 'tools'>>;

/** Shorter ones are guessed; a container has a network address. */
const PASSWORD_MIN_CHARS = 16;

const Port = z.coerce.number().int().min(1).max(65_535);
const Address = z.union([z.ipv4(), z.ipv6()], 'is not an IP address');
const Switch = z
  .string()
  .regex(/^(0|1|false|true)$/, 'is neither 0 nor 1')
  .transform((text) => text === '1' || text === 'true');

const App = z
  .string()
  .transform((text, context) => {
    try {
      const parsed: unknown = JSON.parse(text);
      return parsed;
    } catch {
      context.addIssue({ code: 'custom', message: 'is not a JSON array of the program and its arguments' });
      return z.NEVER;
    }
  })
  .pipe(SessionSpec.shape.app);

/** What we read ourselves. Everything else that begins with NEKO_ is the streamer's to judge. */
const Variables = z
  .object({
    NEKO_SERVER_BIND: z
      .string()
      // All addresses or loopback, since the streamer must answer us on loopback.
      .regex(/^(0\.0\.0\.0|127\.0\.0\.1|\[::\])?:\d{1,5}$/, 'is not like 0.0.0.0:8080')
      .default('0.0.0.0:8080'),
    NEKO_DESKTOP_SCREEN: ScreenText.prefault('1280x720@25'),
    NEKO_MEMBER_PROVIDER: z.literal('multiuser', 'can only be "multiuser" in this image').default('multiuser'),
    NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD: z
      .string("is missing: it is the administrator's password, and there is no default")
      .min(PASSWORD_MIN_CHARS, `has fewer than ${PASSWORD_MIN_CHARS} characters`)
      .max(256),
    NEKO_MEMBER_MULTIUSER_USER_PASSWORD: z.string().max(256).default(randomPassword),
    NEKO_SESSION_API_TOKEN: z.string().optional(),
    NEKO_WEBRTC_ICELITE: Switch.optional(),
    NEKO_WEBRTC_EPR: z
      .string()
      .regex(/^\d{1,5}-\d{1,5}$/, 'is not like 59000-59007')
      .transform((text) => text.split('-').map(Number))
      .transform(([min, max]) => ({ min, max }))
      .pipe(Ports.shape.udp.refine(({ min, max }) => min <= max, 'begins after its end'))
      .prefault('59000-59100'),
    NEKO_WEBRTC_NAT1TO1: z
      .string()
      .transform((text) => text.split(',').filter((address) => address !== ''))
      .pipe(z.array(Address).max(16))
      .optional(),
    NEKO_WEBRTC_UDPMUX: z.literal(['0', '']).or(Port).optional(),
    NEKO_WEBRTC_TCPMUX: z.literal(['0', '']).or(Port).optional(),
    NEKOGATE_APP: App.optional(),
    NEKOGATE_AUDIO: Switch.default(true),
    NEKOGATE_ACCESSIBILITY: Switch.default(false),
  })
  .refine(
    ({ NEKO_SESSION_API_TOKEN: token, NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD: password }) =>
      token === undefined || token === password,
    { path: ['NEKO_SESSION_API_TOKEN'], message: "can only be the administrator's password" },
  );

/** What the desktop settles with the streamer itself. */
const OURS_ALONE = [
  'NEKO_DESKTOP_DISPLAY',
  'NEKO_DESKTOP_INPUT_ENABLED',
  'NEKO_CAPTURE_VIDEO_DISPLAY',
  'NEKO_SERVER_PATH_PREFIX',
  'NEKO_SERVER_CERT',
  'NEKO_SERVER_KEY',
] as const;

/** Set by every container for every program in it, and no wish of anybody's. */
const NOBODYS = new Set(['HOSTNAME', 'PWD', 'OLDPWD', 'SHLVL', '_', 'DATABASE_URL']);

/** @throws GatewayError BAD_REQUEST that names each variable that can't be obeyed, and never a password */
export function readContainerOrder(variables: Readonly<Record<string, string>>): ContainerOrder {
  const { issues, value } = parseVariables(variables);
  const named = [
    ...OURS_ALONE.filter((name) => variables[name] !== undefined).map((name) => `${name} is set by the desktop itself`),
    ...issues,
  ];
  if (named.length > 0 || value === undefined) throw new GatewayError('BAD_REQUEST', named.join('\n'));
  const spec = SessionSpec.safeParse({
    app: value.NEKOGATE_APP,
    screen: value.NEKO_DESKTOP_SCREEN,
    audio: value.NEKOGATE_AUDIO,
    ...(value.NEKOGATE_ACCESSIBILITY && { accessibility: true }),
    environment: pick(variables, (name) => !RESERVED_ENVIRONMENT.test(name) && !NOBODYS.has(name)),
  });
  if (!spec.success) throw new GatewayError('BAD_REQUEST', z.prettifyError(spec.error));
  return {
    order: {
      spec: spec.data,
      ports: { http: Number(value.NEKO_SERVER_BIND.split(':').at(-1)), udp: value.NEKO_WEBRTC_EPR },
      // Among the settings, as it came.
      nat1to1: [],
      adminPassword: value.NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD,
    },
    rfb: { port: CONTAINER_VNC_PORT, password: vncPasswordOf(value.NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD) },
    tools: {
      host: '0.0.0.0',
      port: CONTAINER_TOOLS_PORT,
      secret: toolsSecretOf(value.NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD),
    },
    settings: {
      ...pick(variables, (name) => name.startsWith('NEKO_') && !READ_HERE.has(name)),
      NEKO_SERVER_BIND: value.NEKO_SERVER_BIND,
      NEKO_MEMBER_MULTIUSER_USER_PASSWORD: value.NEKO_MEMBER_MULTIUSER_USER_PASSWORD,
    },
  };
}

/** These reach the streamer by the order. */
const READ_HERE = new Set([
  'NEKO_BIN',
  'NEKO_DESKTOP_SCREEN',
  'NEKO_MEMBER_PROVIDER',
  'NEKO_MEMBER_MULTIUSER_ADMIN_PASSWORD',
  'NEKO_WEBRTC_EPR',
]);

/**
 * The container's folders: `path` for what is of this start, `home` for what stays. Takes away what a container that was
 * killed left in them.
 */
export async function prepareContainer(path: string, home: string): Promise<SessionFolder> {
  const folder = sessionFolder(path, home);
  await emptySessionFolder(folder);
  // Chromium's lock names host and process; in a home that outlives its container it would keep the next one's browser out for good.
  for (const profile of ['browser', 'chromium', 'google-chrome'])
    for (const name of ['SingletonLock', 'SingletonSocket', 'SingletonCookie'])
      await rm(join(home, '.config', profile, name), { force: true });
  try {
    // Where /tmp is a fresh tmpfs: an X server that isn't root's doesn't make it.
    mkdirSync('/tmp/.X11-unix', { mode: 0o1777 });
  } catch {
    // EEXIST in most images; and without it the X server has its abstract socket still.
  }
  return folder;
}

function parseVariables(variables: Readonly<Record<string, string>>) {
  const parsed = Variables.safeParse(variables);
  if (parsed.success) return { value: parsed.data, issues: [] };
  return {
    value: undefined,
    issues: parsed.error.issues.map(({ path, message }) => `${path[0]?.toString()} ${message}`),
  };
}

function pick(variables: Readonly<Record<string, string>>, wants: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(variables).filter(([name]) => wants(name)));
}

function randomPassword(): string {
  return randomBytes(24).toString('base64url');
}
