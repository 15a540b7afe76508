/** Full screen with the keys that browsers keep for themselves (Escape, Tab switching) given to the page where they can be; leaving is then a long Escape. */
export async function toggleFullscreen(target: Element): Promise<void> {
  if (target.matches(':fullscreen')) {
    await document.exitFullscreen();
    return;
  }
  await target.requestFullscreen({ navigationUI: 'hide' });
  // Keyboard Lock is Chromium's only; https://wicg.github.io/keyboard-lock/
  const keyboard: unknown = Reflect.get(navigator, 'keyboard');
  if (typeof keyboard !== 'object' || keyboard === null) return;
  const lock: unknown = Reflect.get(keyboard, 'lock');
  if (typeof lock === 'function') await Reflect.apply(lock, keyboard, []);
}
