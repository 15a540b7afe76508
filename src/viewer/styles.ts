// The element's own styles. The page around may set --neko-viewer-accent, -background, -surface and -text.

const CSS = `
:host {
  --accent: var(--neko-viewer-accent, #4c9aff);
  --background: var(--neko-viewer-background, #0b0d10);
  --surface: var(--neko-viewer-surface, #14171c);
  --text: var(--neko-viewer-text, #d5dae1);
  --muted: #8b94a1;
  --line: #252a32;
  --good: #3fb96b;
  --waiting: #d9a032;
  --bad: #e5594f;
  display: block;
  position: relative;
  min-width: 160px;
  min-height: 120px;
  overflow: hidden;
  container-type: inline-size;
  background: var(--background);
  color: var(--text);
  font: 13px/1.45 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif;
  color-scheme: dark;
}
:host([hidden]) { display: none; }
[hidden] { display: none !important; }
*, *::before { box-sizing: border-box; }
p { margin: 0; }

.viewer { display: flex; flex-direction: column; width: 100%; height: 100%; }
.room { position: relative; flex: 1; min-height: 0; }
.viewport { position: absolute; inset: 0; overflow: hidden; }
.viewport[data-scaling='none'] { overflow: auto; }
.surface { position: relative; min-width: 100%; min-height: 100%; touch-action: none; user-select: none; -webkit-user-select: none; }
.stage { position: absolute; top: 0; left: 0; overflow: hidden; background: #000; transform-origin: 0 0; }
.video { display: block; width: 100%; height: 100%; object-fit: fill; pointer-events: none; }
.vnc { position: absolute; inset: 0; pointer-events: none; }
.vnc:empty { display: none; }
.cursor { position: absolute; top: 0; left: 0; pointer-events: none; }
.room:has(.status-screen:not([hidden])) .cursor { display: none; }
.keys {
  position: absolute; top: 50%; left: 50%; width: 1px; height: 1px; padding: 0; border: 0; opacity: 0;
  /* Below 16 px iOS zooms in on focus. */
  font-size: 16px; resize: none; pointer-events: none;
}
/* What an input method is at is seen until it is done. */
.keys.composing {
  z-index: 3; width: 200px; height: 34px; padding: 4px 8px; opacity: 1; color: var(--text); background: var(--surface);
  border: 1px solid var(--accent); border-radius: 6px; outline: none;
}
/* Says that the keyboard is on the desktop; drawn over the picture, so that nothing moves. */
.room::after { content: ''; position: absolute; inset: 0; pointer-events: none; border: 1px solid transparent; transition: border-color 120ms; }
.room:has(.keys:focus)::after { border-color: var(--line); }
.viewer[data-holder='me'] .room:has(.keys:focus)::after { border-color: var(--accent); }

.status-screen { position: absolute; inset: 0; z-index: 2; display: grid; place-items: center; padding: 24px; }
.status-screen { background: color-mix(in srgb, var(--background) 78%, transparent); }
.status-screen[data-state='closed'] { background: var(--background); }
.card { display: flex; flex-direction: column; align-items: center; gap: 14px; max-width: 400px; text-align: center; }
.words { display: flex; flex-direction: column; gap: 4px; }
.title { font-size: 16px; font-weight: 600; letter-spacing: -0.005em; color: #f2f5f8; }
.message, .hint { color: var(--muted); text-wrap: balance; }
.message:empty, .hint:empty { display: none; }
.hint { font-variant-numeric: tabular-nums; }
.spinner { width: 22px; height: 22px; border: 2px solid var(--line); border-top-color: var(--accent); border-radius: 50%; animation: turn 900ms linear infinite; }
.status-screen[data-state='closed'] .spinner, .status-screen[data-state='paused'] .spinner { display: none; }
@keyframes turn { to { transform: rotate(1turn); } }

.button.unlock { position: absolute; z-index: 1; right: 14px; bottom: 14px; border-radius: 999px; padding-inline: 12px 16px; height: 36px; background: var(--surface); border-color: var(--line); box-shadow: 0 6px 24px #0008; }
.notice {
  position: absolute; z-index: 3; bottom: 14px; left: 50%; width: max-content; max-width: calc(100% - 28px); padding: 8px 14px; pointer-events: none;
  background: var(--surface); border: 1px solid var(--line); border-radius: 8px; box-shadow: 0 6px 24px #0008;
  transform: translate(-50%, 8px); opacity: 0; visibility: hidden; transition: opacity 160ms, transform 160ms, visibility 160ms;
}
.notice.shown { transform: translate(-50%, 0); opacity: 1; visibility: visible; }

.panel {
  position: absolute; z-index: 3; padding: 12px; background: var(--surface); border: 1px solid var(--line); border-radius: 8px;
  box-shadow: 0 6px 24px #0008;
}
.actions { display: flex; flex-wrap: wrap; gap: 8px; }
.live-hint {
  position: absolute; z-index: 4; top: 10px; left: 50%; width: max-content; max-width: calc(100% - 28px); padding: 4px 12px; pointer-events: none;
  font-size: 12px; color: var(--text); text-align: center; background: var(--surface); border: 1px solid var(--line);
  border-radius: 14px; transform: translateX(-50%); opacity: 0; visibility: hidden; transition: opacity 160ms, visibility 160ms;
}
.live-hint::before { content: ''; display: inline-block; width: 7px; height: 7px; margin-right: 8px; border-radius: 50%; background: var(--waiting); }
.live-hint.shown { opacity: 1; visibility: visible; }
.panel.ask { top: 12px; left: 50%; display: flex; align-items: center; gap: 14px; width: max-content; max-width: calc(100% - 28px); padding: 8px 8px 8px 14px; transform: translateX(-50%); }
.panel.ask .who { overflow: hidden; text-overflow: ellipsis; }
.panel.ask .actions { flex: none; }
.panel.stats { top: 12px; right: 12px; padding: 10px 12px; font-size: 12px; pointer-events: none; background: color-mix(in srgb, var(--surface) 88%, transparent); }
.panel.stats dl { display: grid; grid-template-columns: auto auto; gap: 1px 14px; margin: 0; }
.panel.stats dt { color: var(--muted); }
.panel.stats dd { margin: 0; text-align: end; font-variant-numeric: tabular-nums; }
.panel.menu { right: 8px; bottom: 8px; display: flex; flex-direction: column; gap: 8px; min-width: 200px; max-height: calc(100% - 16px); padding: 8px; overflow: auto; }
.panel.menu .section > p { padding: 2px 8px; font-size: 12px; color: var(--muted); }
.item {
  display: flex; align-items: center; gap: 8px; width: 100%; min-height: 32px; padding: 0 10px 0 4px; font: inherit; color: var(--text); text-align: start;
  background: transparent; border: 0; border-radius: 6px; cursor: pointer;
}
.item:hover { background: color-mix(in srgb, var(--text) 9%, transparent); }
.item:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
.mark { width: 18px; color: var(--accent); text-align: center; }
.panel.clipboard { right: 8px; bottom: 8px; display: flex; flex-direction: column; gap: 10px; width: 340px; max-width: calc(100% - 16px); max-height: calc(100% - 16px); overflow: auto; }
.panel.clipboard .heading { display: flex; align-items: center; justify-content: space-between; }
.panel.clipboard .title { font-size: 13px; }
.panel.clipboard textarea {
  width: 100%; padding: 8px; font: 13px/1.45 ui-monospace, monospace; color: var(--text); background: var(--background); border: 1px solid var(--line);
  border-radius: 6px; resize: vertical;
}
.panel.clipboard label { display: flex; align-items: center; gap: 8px; }
.panel.clipboard .message { font-size: 12px; text-wrap: pretty; }

.toolbar {
  position: relative; z-index: 4; flex: none; display: grid; grid-template-columns: 1fr auto 1fr; align-items: center; gap: 12px;
  height: 44px; padding: 0 8px 0 14px; background: var(--surface); border-top: 1px solid var(--line);
}
.status, .control-group, .buttons { display: flex; align-items: center; gap: 8px; min-width: 0; white-space: nowrap; }
.control-group { gap: 10px; }
.buttons { justify-content: flex-end; gap: 2px; }
.dot { flex: none; width: 8px; height: 8px; border-radius: 50%; background: var(--waiting); }
.toolbar[data-state='live'] .dot { background: var(--good); }
.toolbar[data-restoring='true'] .dot { background: var(--waiting); }
.toolbar[data-state='closed'] .dot { background: var(--bad); }
.rung { padding: 0 6px; font-size: 11px; color: var(--muted); border: 1px solid var(--line); border-radius: 4px; }
.rung:empty { display: none; }
.rtt { color: var(--muted); font-variant-numeric: tabular-nums; }
.holder { overflow: hidden; text-overflow: ellipsis; color: var(--muted); }
.toolbar[data-holder='me'] .holder { color: var(--text); }

.button {
  display: inline-flex; align-items: center; justify-content: center; gap: 7px; height: 32px; padding: 0 8px; color: var(--text);
  font: inherit; white-space: nowrap; background: transparent; border: 1px solid transparent; border-radius: 6px; cursor: pointer;
}
.button:hover { background: color-mix(in srgb, var(--text) 9%, transparent); }
.button:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.button svg { flex: none; width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.buttons .label { display: none; }
.button:disabled { opacity: 0.45; cursor: default; }
.buttons .button[aria-expanded='true'] { background: color-mix(in srgb, var(--text) 12%, transparent); }
.button.control, .button.again, .button.solid, .button.keep { padding: 0 12px; border-color: var(--line); background: color-mix(in srgb, var(--text) 5%, transparent); }
.button.control:hover, .button.again:hover, .button.solid:hover, .button.keep:hover { background: color-mix(in srgb, var(--text) 12%, transparent); }
.toolbar[data-holder='nobody'] .button.control, .button.give { padding: 0 12px; border-color: transparent; background: var(--accent); color: #06101f; font-weight: 600; }
.toolbar[data-holder='nobody'] .button.control:hover, .button.give:hover { background: color-mix(in srgb, var(--accent) 86%, #fff); }

@container (max-width: 560px) {
  .toolbar { grid-template-columns: auto 1fr auto; gap: 8px; padding-left: 12px; }
  .state-name { position: absolute; clip-path: inset(50%); }
  .control-group { justify-content: center; }
}
@container (max-width: 420px) {
  .button.control .label, .rtt { display: none; }
  .button.control { padding: 0 8px; }
}

/* In full screen the bar leaves the picture alone until the pointer or the keyboard comes for it. */
:host(:fullscreen) .toolbar { position: absolute; inset: auto 0 0; transform: translateY(calc(100% - 3px)); transition: transform 160ms ease-out; }
:host(:fullscreen) .toolbar:hover, :host(:fullscreen) .toolbar:has(:focus-visible) { transform: none; }
@media (prefers-reduced-motion: reduce) {
  .spinner { animation-duration: 3s; }
  .notice, .live-hint, .toolbar, .room::after { transition: none; }
}
`;

/** A sheet of its own for each document that the element is in; a constructed one passes a strict content security policy. */
export function makeStyleSheet(): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  return sheet;
}
