// The keyboard's layout and modifiers. neko's internal/api/room/keyboard.go.
import { KeyboardMap, KeyboardModifiers } from '../../signaling/messages.ts';
import { type ApiRoutes, canHostOnly, hostsOnly, readBody } from './api.ts';
import type { Desktop } from './desktop.ts';

export function addKeyboardRoutes(routes: ApiRoutes, desktop: Desktop): void {
  routes.add('GET', '/room/keyboard/map', [canHostOnly], () => desktop.layout.get());

  routes.add('POST', '/room/keyboard/map', [canHostOnly, hostsOnly], async ({ request }) => {
    await desktop.layout.set(readBody(request, KeyboardMap));
  });

  routes.add('GET', '/room/keyboard/modifiers', [canHostOnly], () => desktop.modifiers.get());

  routes.add('POST', '/room/keyboard/modifiers', [canHostOnly, hostsOnly], async ({ request }) => {
    await desktop.modifiers.set(readBody(request, KeyboardModifiers));
  });
}
