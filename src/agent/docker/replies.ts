// What is read of the daemon's answers; the rest of each is left out.
import { z } from 'zod';

const Labels = z
  .record(z.string(), z.string())
  .nullish()
  .transform((labels) => labels ?? {});

export const Created = z.object({ Id: z.string().regex(/^[0-9a-f]{64}$/) });

export const ContainerList = z.array(
  z
    .object({ Id: z.string(), State: z.string(), Labels })
    .transform((one) => ({ id: one.Id, state: one.State, labels: one.Labels })),
);
export type ListedContainer = z.infer<typeof ContainerList>[number];

export const NetworkList = z.array(
  z
    .object({ Id: z.string(), Name: z.string(), Labels })
    .transform((one) => ({ id: one.Id, name: one.Name, labels: one.Labels })),
);
export type ListedNetwork = z.infer<typeof NetworkList>[number];

export const VolumeInspect = z.object({ Labels }).transform((one) => ({ labels: one.Labels }));

export const ImageInspect = z
  .object({ Config: z.object({ User: z.string().optional(), WorkingDir: z.string().optional(), Labels }).nullish() })
  .transform(({ Config }) => {
    const user = Config?.User?.split(':')[0] ?? '';
    return {
      startsAsRoot: user === '' || user === 'root' || user === '0',
      workingFolder: Config?.WorkingDir ?? '',
      labels: Config?.Labels ?? {},
    };
  });
export type ImageFacts = z.infer<typeof ImageInspect>;

export const ContainerInspect = z
  .object({
    State: z.object({
      Status: z.string(),
      Paused: z.boolean(),
      Running: z.boolean(),
      OOMKilled: z.boolean(),
      ExitCode: z.int(),
      Error: z.string(),
      StartedAt: z.string(),
      FinishedAt: z.string(),
    }),
    Config: z.object({ Env: z.array(z.string()).nullish() }),
    NetworkSettings: z.object({ Networks: z.record(z.string(), z.object({ IPAddress: z.string() })) }),
  })
  .transform(({ State, Config, NetworkSettings }) => ({
    /** Somebody removes it right now. */
    isGoing: State.Status === 'removing' || State.Status === 'dead',
    isRunning: State.Running,
    isPaused: State.Paused,
    isOutOfMemory: State.OOMKilled,
    exitCode: State.ExitCode,
    error: State.Error,
    livedMs: Math.max(0, Date.parse(State.FinishedAt) - Date.parse(State.StartedAt)),
    environment: Config.Env ?? [],
    /** On its session's network; undefined while it doesn't run. */
    address: Object.values(NetworkSettings.Networks).find(({ IPAddress }) => IPAddress !== '')?.IPAddress,
  }));
export type ContainerFacts = z.infer<typeof ContainerInspect>;

export const ContainerEvent = z
  .object({ Action: z.string(), Actor: z.object({ ID: z.string() }) })
  .transform(({ Action, Actor }) => ({ action: Action, id: Actor.ID }));
export type ContainerEvent = z.infer<typeof ContainerEvent>;

export const PullLine = z.object({
  id: z.string().optional(),
  status: z.string().optional(),
  error: z.string().optional(),
  progressDetail: z.object({ current: z.number().optional(), total: z.number().optional() }).optional(),
});
