/** Whether the browser lets a page read the clipboard; `unknown` where it does not say before it is tried. */
export type ReadPermission = 'granted' | 'prompt' | 'denied' | 'unknown';

// Without HTTPS there is no clipboard, whatever the types say.
const clipboard: Clipboard | undefined = Reflect.get(navigator, 'clipboard');

/** False where the browser refuses, as it may without a press just before or without the focus. */
export async function writeClipboard(text: string): Promise<boolean> {
  if (clipboard === undefined) return false;
  try {
    await clipboard.writeText(text);
    return true;
  } catch {
    // NotAllowedError: the person can still press a button for it.
    return false;
  }
}

/** Asks the person where the browser has it so; undefined where it is refused. To be called for an act of theirs only. */
export async function readClipboard(): Promise<string | undefined> {
  try {
    return await clipboard?.readText();
  } catch {
    // NotAllowedError, or nothing there that is a text.
    return undefined;
  }
}

export async function findReadPermission(): Promise<ReadPermission> {
  if (clipboard === undefined) return 'denied';
  // Chromium's name for it, which TypeScript's list of permissions lacks.
  const descriptor: PermissionDescriptor = JSON.parse('{"name":"clipboard-read"}');
  try {
    return (await navigator.permissions.query(descriptor)).state;
  } catch {
    // Firefox and Safari know no such permission; they ask at each read.
    return 'unknown';
  }
}
