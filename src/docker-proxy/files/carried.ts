import { z } from 'zod';
import { FILES_LABEL, OWNER_LABEL } from '../labels.ts';

/** Sources of a container's mounts that mean this machine: as the user named them, and what the remote daemon was told. */
export const Carried = z.array(
  z.object({
    asked: z.string(),
    remote: z.string(),
    /** What is kept in step for it; none for the daemon's own socket. */
    folder: z
      .object({ root: z.string(), only: z.string().optional(), remoteRoot: z.string(), isWritable: z.boolean() })
      .optional(),
  }),
);
export type Carried = z.infer<typeof Carried>;

/** Of a container of this owner; empty for all others. */
export function readCarried(labels: Readonly<Record<string, string>> | null | undefined, owner: string): Carried {
  if (labels?.[OWNER_LABEL] !== owner) return [];
  try {
    return Carried.parse(JSON.parse(labels[FILES_LABEL] ?? '[]'));
  } catch {
    // Inherited from an image, or somebody else's.
    return [];
  }
}
