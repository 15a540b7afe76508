import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { WholeFile } from '../process/whole-file.ts';
import { LoginOrder, LOGINS_MAX_PER_AGENT } from '../protocol/login.ts';
import type { SavedLogin } from './login.ts';

const FILE = 'logins.json';

const Saved = z
  .array(
    LoginOrder.extend({
      since: z.iso.datetime(),
      isHost: z.boolean(),
      neko: z.object({ id: z.string().min(1).max(256), token: z.string().min(1).max(1024) }),
    }),
  )
  .max(LOGINS_MAX_PER_AGENT);

/** The logins of each session as `logins.json` in its folder, mode 0600: neko's tokens are in it. */
export class SavedLogins {
  readonly #log: Logger;
  /** By session. */
  readonly #files = new Map<string, { file: WholeFile; text: string }>();
  readonly #closed = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Resolves once all that was said is written, or could not be. */
  get idle(): Promise<void> {
    return Promise.all([...this.#files.values()].map(({ file }) => file.idle)).then(() => undefined);
  }

  /** What an earlier agent wrote; nothing where it is missing or not to be read. */
  async load(folder: string): Promise<SavedLogin[]> {
    try {
      return Saved.parse(JSON.parse(await readFile(join(folder, FILE), 'utf8')));
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      this.#log.warn({ err: error, folder }, 'the logins of an earlier agent cannot be read');
      return [];
    }
  }

  save(sessionId: string, folder: string, logins: readonly SavedLogin[]): void {
    if (this.#closed.has(sessionId)) return;
    const text = JSON.stringify(logins);
    const known = this.#files.get(sessionId);
    if (text === known?.text) return;
    const file = known?.file ?? new WholeFile(join(folder, FILE), this.#log);
    this.#files.set(sessionId, { file, text });
    file.write(text);
  }

  /** The session is over: nothing of it is written any more. Returns what forgets it, once it has no logins. */
  close(sessionId: string): () => void {
    this.#closed.add(sessionId);
    return () => {
      this.#closed.delete(sessionId);
      this.#files.delete(sessionId);
    };
  }
}
