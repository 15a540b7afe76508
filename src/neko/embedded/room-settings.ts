// How the room's settings change, and what follows from it. neko's internal/session/manager.go.
import { z } from 'zod';
import { NAME_MAX_LENGTH, type Settings } from '../../signaling/messages.ts';

/** An administrator's change: fields left out keep their values, null is as if left out, others are ignored. */
export const SettingsChange = z.object({
  private_mode: flag(),
  locked_logins: flag(),
  locked_controls: flag(),
  control_protection: flag(),
  implicit_hosting: flag(),
  inactive_cursors: flag(),
  merciful_reconnect: flag(),
  heartbeat_interval: z
    .int()
    .nullish()
    .transform((value) => value ?? undefined),
  plugins: z.record(z.string().max(NAME_MAX_LENGTH), z.unknown()).nullish(),
});
export type SettingsChange = z.infer<typeof SettingsChange>;

/**
 * The settings with the change made. Control protection that is switched on while no administrator is there
 * (`hasAdmin`) locks the controls.
 */
export function applyChange(before: Settings, change: Partial<SettingsChange>, hasAdmin: boolean): Settings {
  const given = Object.entries(change).filter(([, value]) => value !== undefined);
  const after: Settings = { ...before, ...Object.fromEntries(given) };
  const isNewlyProtected = after.control_protection && !before.control_protection;
  return isNewlyProtected && !hasAdmin ? { ...after, locked_controls: true } : after;
}

function flag() {
  return z
    .boolean()
    .nullish()
    .transform((value) => value ?? undefined);
}
