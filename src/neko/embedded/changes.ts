import type { XDisplay } from './x11.ts';

// One report says that something changed since; on a busy screen the next one isn't wanted sooner.
const REPORT_EVERY_MS = 100;

/** Tells when what the screen shows changes, by the X server's DAMAGE extension. */
export class ScreenChanges {
  readonly #display: XDisplay;
  readonly #damage: number;
  readonly #listeners = new Set<() => void>();
  readonly #stopWatching: () => void;
  #rearmTimer: NodeJS.Timeout | undefined;

  constructor(display: XDisplay) {
    this.#display = display;
    this.#damage = display.client.AllocID();
    const { damage, root } = display;
    display.tell(() => damage.Create(this.#damage, root, damage.ReportLevel.NonEmpty));
    this.#stopWatching = display.on('DamageNotify', (event) => {
      if (event.damage === this.#damage) this.#tell();
    });
  }

  /** Calls `listener` soon after each change, at most ten times a second, until the returned function is called. */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (this.#rearmTimer === undefined) this.#rearm();
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once the X server answers; rejects when it is gone. */
  answered(): Promise<void> {
    return this.#display.sync();
  }

  close(): void {
    clearTimeout(this.#rearmTimer);
    this.#stopWatching();
    this.#listeners.clear();
    this.#display.tell(() => this.#display.damage.Destroy(this.#damage));
  }

  #tell(): void {
    if (this.#listeners.size === 0) return;
    this.#rearmTimer ??= setTimeout(() => this.#rearm(), REPORT_EVERY_MS);
    for (const listener of this.#listeners) listener();
  }

  /** The server reports again only once what it reported is taken off. */
  #rearm(): void {
    clearTimeout(this.#rearmTimer);
    this.#rearmTimer = undefined;
    this.#display.tell(() => this.#display.damage.Subtract(this.#damage, 0, 0));
  }
}
