export interface Locks {
  readonly capslock?: boolean;
  readonly numlock?: boolean;
}

/**
 * Keeps the desktop's lock keys in step. Characters arrive with CapsLock applied here, so it is off there; the keypad's keys
 * arrive as digits or as arrows, and the desktop finds them where its NumLock stands as the one here.
 */
export class LockKeys {
  readonly #tell: (locks: Locks) => void;
  /** macOS has no NumLock, and its keypad gives digits. */
  readonly #isMac = /^(Mac|iP)/.test(navigator.platform);
  #numlock: boolean | undefined;

  constructor(tell: (locks: Locks) => void) {
    this.#tell = tell;
  }

  observe(event: KeyboardEvent | MouseEvent): void {
    const numlock = this.#isMac || event.getModifierState('NumLock');
    if (numlock === this.#numlock) return;
    this.#numlock = numlock;
    this.#tell({ capslock: false, numlock });
  }

  /** Others may have changed them since. */
  forget(): void {
    this.#numlock = undefined;
  }
}
