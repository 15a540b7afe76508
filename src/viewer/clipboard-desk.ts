import type { DesktopClient } from './desktop-client.ts';
import { findReadPermission, readClipboard, type ReadPermission, writeClipboard } from './local-clipboard.ts';
import { ClipboardPanel } from './overlay/clipboard-panel.ts';

/** `auto` copies what the desktop copies, where the browser lets it; `ask` copies at a press of a button only. */
export type ClipboardMode = 'auto' | 'ask' | 'off';

export interface ClipboardDeskDeps {
  client(): DesktopClient | undefined;
  mode(): ClipboardMode;
  noticed(text: string): void;
  /** The panel opened or closed, or a permission is another. */
  changed(): void;
}

/**
 * Between this device's clipboard and the desktop's. What the desktop copies comes here by itself; what is here goes there when
 * a person pastes, sends it, or has asked for it to follow them. It is never read otherwise.
 */
export class ClipboardDesk {
  readonly panel: ClipboardPanel;
  readonly #deps: ClipboardDeskDeps;
  #permission: ReadPermission = 'unknown';
  #isFollowing = false;

  constructor(deps: ClipboardDeskDeps) {
    this.#deps = deps;
    this.panel = new ClipboardPanel({
      copy: (text) => void this.#copy(text),
      send: (text) => this.#send(text),
      follow: (isFollowing) => void this.#follow(isFollowing),
      closed: () => deps.changed(),
    });
  }

  /** Whether this access has a clipboard at all. */
  get isOffered(): boolean {
    return this.#deps.mode() !== 'off' && this.#deps.client()?.mayUseClipboard === true;
  }

  /** Whether a paste here may go to the desktop's clipboard now. */
  get maySend(): boolean {
    return this.isOffered && this.#deps.client()?.controls.isMine === true;
  }

  toggle(): void {
    if (this.panel.isOpen) this.panel.close();
    else {
      this.panel.open(this.#deps.client()?.clipboard.text ?? '', true);
      void this.#askPermission();
    }
    this.#deps.changed();
  }

  render(): void {
    if (!this.isOffered) this.panel.close();
    const obstacle = this.maySend ? undefined : 'Take control to send to the desktop.';
    this.panel.render({ permission: this.#permission, isFollowing: this.#isFollowing, obstacle });
  }

  /** The desktop copied a text. */
  async copied(text: string): Promise<void> {
    if (!this.isOffered) return;
    this.panel.setText(text);
    if (this.#deps.mode() === 'auto' && (await writeClipboard(text))) {
      this.#deps.noticed('Copied from the desktop.');
      return;
    }
    // The browser wants a press for it.
    this.panel.open(text, false);
    await this.#askPermission();
  }

  /** The person came back to the desktop. */
  async returned(): Promise<void> {
    if (!this.#isFollowing || !this.maySend) return;
    const text = await readClipboard();
    await this.#askPermission();
    if (text !== undefined) this.#deps.client()?.paste(text);
  }

  async #copy(text: string): Promise<void> {
    const isCopied = await writeClipboard(text);
    this.#deps.noticed(isCopied ? 'Copied to this device.' : 'The browser refused. Select the text and copy it.');
    if (isCopied) this.panel.close();
  }

  #send(text: string): void {
    const isSent = this.#deps.client()?.paste(text) === true;
    this.#deps.noticed(isSent ? 'Sent to the clipboard of the desktop.' : 'The desktop did not take the text.');
    if (isSent) this.panel.close();
  }

  /** The first reading is the one that the browser asks the person about. */
  async #follow(isFollowing: boolean): Promise<void> {
    const text = isFollowing ? await readClipboard() : undefined;
    this.#isFollowing = isFollowing && text !== undefined;
    if (isFollowing && text === undefined) this.#deps.noticed('The browser does not let this page read the clipboard.');
    await this.#askPermission();
  }

  async #askPermission(): Promise<void> {
    this.#permission = await findReadPermission();
    this.#deps.changed();
  }
}
