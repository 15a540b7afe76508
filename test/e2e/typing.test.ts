// What is typed is what arrives, on every streamer, whichever way it is typed; and no key stays down once nobody holds it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { xauthorityOf } from '../../src/desktop/environment.ts';
import { keysymOfCharacter } from '../../src/input/keysyms.ts';
import { XDisplay } from '../../src/neko/embedded/x11.ts';
import type { Streamer } from '../../src/neko/find.ts';
import { ADMIN_PASSWORD, openDesktop, type OpenedDesktop } from '../harness/desktop.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { until } from '../harness/house.ts';
import { NekoClient } from '../harness/neko-client.ts';
import { listStreamers } from '../harness/streamers.ts';

const SHIFT = 0xffe1;
const RETURN = 0xff0d;
const TEXT = 'Hello WORLD {}[]~ éßΩ漢€ 😀';
/** More than any keyboard has keys. */
const MANY_CHARACTERS = Array.from({ length: 300 }, (_, index) => String.fromCodePoint(0x4e00 + index)).join('');
const SENTENCE_LENGTH = 30;
/** neko keeps a client's hold on the controls for 5 s after it lost the client, in case it comes back. */
const NEKO_KEEPS_MS = 5000;

const streamers = listStreamers().map((streamer) => ({ kind: streamer.kind, streamer }));

test.for(streamers)('any text that is typed over the data channel arrives as it is ($kind)', async ({ streamer }) => {
  await using desk = await openTypewriter(streamer);
  const { media } = desk;

  for (const character of TEXT) {
    const keysym = keysymOfCharacter(character);
    // neko gives an upper-case letter without Shift in lower case; browsers hold Shift around it.
    if (isUpperCase(character)) media.input({ type: 'key', down: true, keysym: SHIFT });
    media.input({ type: 'key', down: true, keysym });
    media.input({ type: 'key', down: false, keysym });
    if (isUpperCase(character)) media.input({ type: 'key', down: false, keysym: SHIFT });
  }

  assert.ok(await desk.untilTyped(TEXT));
});

test.for(streamers)('any text that is typed over the WebSocket arrives as it is ($kind)', async ({ streamer }) => {
  await using desk = await openTypewriter(streamer);
  const { client } = desk;

  for (const character of TEXT) {
    const keysym = keysymOfCharacter(character);
    if (isUpperCase(character)) client.send('control/keydown', { keysym: SHIFT });
    client.send('control/keydown', { keysym });
    client.send('control/keyup', { keysym });
    if (isUpperCase(character)) client.send('control/keyup', { keysym: SHIFT });
  }

  assert.ok(await desk.untilTyped(TEXT));
});

test.for(streamers)('any text arrives from single key presses over the WebSocket ($kind)', async ({ streamer }) => {
  await using desk = await openTypewriter(streamer);

  for (const character of TEXT) desk.client.send('control/keypress', { keysym: keysymOfCharacter(character) });

  // neko releases every key before such a press, Shift too, so that it has no way to an upper-case letter.
  assert.ok(await desk.untilTyped(streamer.kind === 'neko' ? TEXT.toLowerCase() : TEXT));
});

test.for(streamers)(
  'a text of more characters than a keyboard has keys arrives whole ($kind)',
  async ({ streamer }) => {
    await using desk = await openTypewriter(streamer);
    let typed = '';

    // A sentence at a time, as an input method gives it.
    for (let start = 0; start < MANY_CHARACTERS.length; start += SENTENCE_LENGTH) {
      const sentence = MANY_CHARACTERS.slice(start, start + SENTENCE_LENGTH);
      for (const character of sentence) {
        const keysym = keysymOfCharacter(character);
        desk.media.input({ type: 'key', down: true, keysym });
        desk.media.input({ type: 'key', down: false, keysym });
      }
      typed += sentence;
      assert.ok(await desk.untilTyped(typed));
    }
  },
);

test.for(streamers)('Shift comes up when the client that held it is lost ($kind)', async ({ streamer }) => {
  await using desk = await openTypewriter(streamer);
  const { client, media, display } = desk;
  media.input({ type: 'key', down: true, keysym: SHIFT });
  media.input({ type: 'button', down: true, button: 1 });
  await until('Shift and the button are down', () => modifiersOf(display), isHeld);

  client.socket?.terminate();

  await until(
    'Shift and the button are up',
    () => modifiersOf(display),
    (mask) => mask === 0,
    NEKO_KEEPS_MS * 2,
  );
});

test.for(streamers)('Shift comes up when the streamer dies that held it ($kind)', async ({ streamer }) => {
  await using desk = await openTypewriter(streamer);
  const { client, display, opened } = desk;
  client.send('control/keydown', { keysym: SHIFT });
  client.send('control/buttondown', { code: 1 });
  await until('Shift and the button are down', () => modifiersOf(display), isHeld);

  process.kill(opened.desktop.state.parts.find(({ name }) => name === 'streamer')?.pid ?? 0, 'SIGKILL');

  await until(
    'Shift and the button are up',
    () => modifiersOf(display),
    (mask) => mask === 0,
  );
});

interface Typewriter extends AsyncDisposable {
  client: NekoClient;
  media: Awaited<ReturnType<NekoClient['join']>>;
  display: XDisplay;
  opened: OpenedDesktop;
  /** Resolves once the terminal has read exactly this; @throws with what it read instead. */
  untilTyped(text: string): Promise<string>;
}

/** A terminal that writes what it reads to a file, and a client that has the controls. */
async function openTypewriter(streamer: Streamer): Promise<Typewriter> {
  await using opening = new AsyncDisposableStack();
  const folder = opening.use(await temporaryFolder());
  const typed = join(folder.path, 'typed');
  const app = ['xterm', '-u8', '-e', 'sh', '-c', 'stty raw -echo; cat > "$0"', typed];
  const opened = opening.use(await openDesktop({ app, environment: { LC_ALL: 'C.UTF-8' } }, { streamer }));
  const display = opening.use(await openDisplay(opened));
  const { http } = opened.plan.order.ports;
  const client = opening.use(await NekoClient.login(`http://127.0.0.1:${http}`, ADMIN_PASSWORD));
  await client.connect();
  client.send('control/request');
  await client.next('control/host', ({ payload }) => payload.host_id === client.id);
  const media = await client.join({ video: false, audio: false });
  const read = (): Promise<string> => readFile(typed, 'utf8').catch(() => '');

  // The terminal is there once something arrives; its start ends with a Return.
  await until(
    'the terminal reads',
    () => {
      client.send('control/keypress', { keysym: keysymOfCharacter('.') });
      return read();
    },
    (text) => text !== '',
  );
  client.send('control/keypress', { keysym: RETURN });
  await until('the terminal is ready', read, (text) => text.endsWith('\r'));
  const ready = (await read()).length;
  const owned = opening.move();
  return {
    client,
    media,
    display,
    opened,
    untilTyped: (text) =>
      until(
        `the terminal has read ${text}`,
        async () => (await read()).slice(ready),
        (now) => now === text,
      ),
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

async function openDisplay({ desktop, plan }: OpenedDesktop): Promise<XDisplay> {
  const authority = await readFile(xauthorityOf(plan.environment.folder));
  return XDisplay.open(desktop.state.display ?? '', () => undefined, authority.subarray(-16));
}

/** The modifiers and buttons that are down, as X's state mask. */
async function modifiersOf(display: XDisplay): Promise<number> {
  const { client, root } = display;
  return (await display.ask<{ keyMask: number }>((done) => client.QueryPointer(root, done))).keyMask;
}

/** Shift and the left button. */
function isHeld(mask: number): boolean {
  return (mask & 0x101) === 0x101;
}

function isUpperCase(character: string): boolean {
  return character !== character.toLowerCase();
}
