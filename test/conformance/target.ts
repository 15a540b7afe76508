import { inject } from 'vitest';

/** The streamer that the suite is run against. */
export type Target =
  | { kind: 'embedded' }
  /** neko's binary. */
  | { kind: 'binary'; file: string }
  /** One that runs already, with any flags: what needs a display or flags of its own is skipped. */
  | { kind: 'url'; url: string; passwords: Passwords };

export interface Passwords {
  admin: string;
  user: string;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Set by whatever starts the suite; the embedded streamer where nothing did. */
    streamer: Target;
  }
}

export function target(): Target {
  return inject('streamer');
}
