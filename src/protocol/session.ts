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

/** What a session runs. */
export const SessionSpec = z.object({
  /** The program and its arguments; left out, the host's browser, or a terminal where there is none. */
  app: z.array(z.string().min(1).max(4096)).min(1).max(64).optional(),
  screen: Screen.prefault({}),
  audio: z.boolean().default(true),
  environment: z
    .record(
      z
        .string()
        .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)
        .refine((name) => !RESERVED_ENVIRONMENT.test(name), 'is set by the desktop itself'),
      z.string().max(8192),
    )
    .refine((variables) => Object.keys(variables).length <= 64, 'at most 64 variables')
    .default({}),
});
export type SessionSpec = z.infer<typeof SessionSpec>;

/**
 * pending (accepted, no agent has it yet) → starting → running → stopping → stopped. `failed` is final too, with a reason.
 * A desktop that lost a part goes back from running to starting until it is whole again.
 */
export const SessionState = z.enum(['pending', 'starting', 'running', 'stopping', 'stopped', 'failed']);
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
});
export type SessionReport = z.infer<typeof SessionReport>;
