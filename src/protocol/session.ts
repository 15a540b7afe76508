import { z } from 'zod';

/** What a client may do in a session: watch; watch and drive; all that and resize, clipboard policy and kick. */
export const Role = z.enum(['viewer', 'controller', 'owner']);
export type Role = z.infer<typeof Role>;

/** Ids are ours (`newId`), but they come back from outside in paths and file names, so the alphabet is closed. */
export const Id = z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'lower-case letters, digits and dashes, at most 64');

export const Screen = z.object({
  width: z.int().min(160).max(7680).default(1280),
  height: z.int().min(120).max(4320).default(720),
  /** Frames a second. */
  rate: z.int().min(1).max(60).default(25),
});
export type Screen = z.infer<typeof Screen>;

/** A screen as neko writes it, `1280x720@25`; the rate may be left out. */
export const ScreenText = z
  .string()
  .regex(/^\d{1,5}x\d{1,5}(@\d{1,3})?$/, 'is not like 1280x720@25')
  .transform((text): z.input<typeof Screen> => {
    const [width, height, rate] = text.split(/[x@]/).map(Number);
    return { width, height, rate };
  })
  .pipe(Screen);

/** Variables that decide how a program is loaded, or that the desktop sets itself; a session's environment may not name them. */
export const RESERVED_ENVIRONMENT =
  /^(NEKO_|NEKOGATE_|LD_|NODE_|DISPLAY$|XAUTHORITY$|HOME$|PATH$|PULSE_|XDG_RUNTIME_DIR$)/;

/** What a session may use of its host at most, where its runtime can hold it to that. */
export const Resources = z.object({
  /** Processors; parts of one are fine. */
  cpus: z.number().min(0.1).max(256).default(2),
  memoryMb: z.int().min(128).max(1_048_576).default(2048),
  /** Processes and threads. */
  pids: z.int().min(16).max(65_536).default(512),
  /** Of /dev/shm, through which browsers share pictures. */
  shmMb: z.int().min(64).max(65_536).default(512),
});
export type Resources = z.infer<typeof Resources>;

/** An image's name as Docker writes it: registry, path, tag, digest. */
const IMAGE =
  /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::\w[\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** Folders of the host that one session may have. */
export const MOUNTS_MAX = 16;

/** Where in a container a folder of the host may be: where people expect their files, and no program its own. */
export const MountTarget = z
  .string()
  .max(255)
  .regex(
    /^\/(?:mnt|media|srv|data|home\/[a-z][a-z0-9_-]{0,31})(?:\/\.?[A-Za-z0-9_][A-Za-z0-9._-]{0,63}){1,8}$/,
    'is not below /mnt, /media, /srv, /data or a home',
  );

const Mount = z.strictObject({
  root: Id.describe('One that the host’s operator declared'),
  path: z
    .string()
    .max(1024)
    .refine(
      (path) => !path.includes('\0') && path.split('/').every((part) => !['', '.', '..'].includes(part)),
      'is not like folder/of/it',
    )
    .optional()
    .describe('A folder in it; left out, all of it'),
  target: MountTarget.describe('Where it is in the container, below /mnt, /media, /srv, /data or a home'),
  readOnly: z.boolean().default(true).describe('false only where the root allows it'),
});

const DAY_SECONDS = 24 * 60 * 60;

const FIELDS = {
  app: z
    .array(z.string().min(1).max(4096))
    .min(1)
    .max(64)
    .describe("The program and its arguments; left out, the host's browser, or a terminal where there is none"),
  image: z
    .string()
    .max(255)
    .regex(IMAGE, 'an image name like ghcr.io/m1k1o/neko/firefox:3 or name@sha256:…')
    .describe('The container image; only hosts with a container runtime take it. Left out, the host decides'),
  screen: Screen,
  audio: z.boolean().describe('Whether it has sound (true)'),
  accessibility: z
    .boolean()
    .describe(
      'Whether its browser tells of its elements, which costs it time (false); other programs do by themselves',
    ),
  environment: z
    .record(
      z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)
        .refine((name) => !RESERVED_ENVIRONMENT.test(name), 'is set by the desktop itself'),
      z.string().max(8192),
    )
    .refine((variables) => Object.keys(variables).length <= 64, 'at most 64 variables')
    .describe("Of the program, beside the desktop's own"),
  mounts: z
    .array(Mount)
    .max(MOUNTS_MAX)
    .refine((mounts) => new Set(mounts.map(({ target }) => target)).size === mounts.length, 'has one target twice')
    .describe('Folders of the host; only hosts with a container runtime that declare these roots take them'),
  resources: Resources.describe('Limits; only hosts with a container runtime can keep them'),
  home: Id.describe(
    'The name of a home folder that outlives the session, on the host where it was first used. One session at a time has it',
  ),
  idleTimeoutSeconds: z
    .int()
    .min(1)
    .max(30 * DAY_SECONDS)
    .describe(
      'After so long with nobody connected and no call of its API it is hibernated, or stopped where it has no home',
    ),
  maxDurationSeconds: z
    .int()
    .min(1)
    .max(365 * DAY_SECONDS)
    .describe('So long after it began to run it is hibernated, or stopped where it has no home'),
  restart: z
    .enum(['never', 'on-failure'])
    .describe('Whether a session that dies is started again, up to a limit, or is failed (never)'),
};

/** What a session runs, and for how long. */
export const SessionSpec = z.object({
  ...FIELDS,
  app: FIELDS.app.optional(),
  image: FIELDS.image.optional(),
  screen: Screen.prefault({}),
  audio: FIELDS.audio.default(true),
  accessibility: FIELDS.accessibility.optional(),
  environment: FIELDS.environment.default({}),
  mounts: FIELDS.mounts.default([]),
  resources: FIELDS.resources.prefault({}),
  home: FIELDS.home.optional(),
  idleTimeoutSeconds: FIELDS.idleTimeoutSeconds.optional(),
  maxDurationSeconds: FIELDS.maxDurationSeconds.optional(),
  restart: FIELDS.restart.default('never'),
});
export type SessionSpec = z.infer<typeof SessionSpec>;

/** What somebody chooses of a spec; what is left out is decided by a template, or by the defaults. Unknown keys are refused. */
export const SpecChoice = z.strictObject(FIELDS).partial();
export type SpecChoice = z.infer<typeof SpecChoice>;

export const SpecKey = SpecChoice.keyof();
export type SpecKey = z.infer<typeof SpecKey>;

/**
 * pending (accepted, no agent has it yet, or it waits for its restart) → starting → running → stopping → stopped. `failed` is final too,
 * with a reason. A desktop that lost a part goes back from running to starting until it is whole again. running ⇄ paused (frozen);
 * running or paused → hibernating → hibernated (nothing runs, home and order are kept) → starting. `warm` is only the gateway's word: it
 * runs, and waits in a pool for somebody to claim it.
 */
export const SessionState = z.enum([
  'pending',
  'starting',
  'warm',
  'running',
  'paused',
  'hibernating',
  'hibernated',
  'stopping',
  'stopped',
  'failed',
]);
export type SessionState = z.infer<typeof SessionState>;

export const Failure = z.object({ code: z.string().max(64), message: z.string().max(4096) });
export type Failure = z.infer<typeof Failure>;

export const LOG_TAIL_MAX_LINES = 40;

/** What an agent says of one of its sessions. */
export const SessionReport = z.object({
  sessionId: Id,
  state: SessionState,
  /** Which streamer serves it, once one is there. */
  streamer: z.enum(['neko', 'embedded']).optional(),
  /** Why it is failed, or why it went back to starting. */
  reason: Failure.optional(),
  /** The end of its log when it failed. */
  logTail: z.array(z.string().max(2048)).max(LOG_TAIL_MAX_LINES).optional(),
  /** What its main process exited with when it failed, where it did so by itself. */
  exitCode: z.int().min(-255).max(255).optional(),
});
export type SessionReport = z.infer<typeof SessionReport>;
