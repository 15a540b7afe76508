import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { EmbeddedStreamer, PASSWORDS } from '../../../test/harness/embedded-streamer.ts';
import { NekoClient, type ReceivedMedia } from '../../../test/harness/neko-client.ts';
import { Xvnc } from '../../../test/harness/xvnc.ts';

const SHIFT = 0xffe1;
const RETURN = 0xff0d;
const UNICODE = 0x0100_0000;

describe('keys', () => {
  test('type what a browser’s key events say: capitals with Shift, signs, and letters that no key has', async () => {
    await using house = await openHouse();
    await using terminal = await Terminal.open(house.xvnc);
    await house.pointAt(200, 100);

    house.hold(SHIFT, () => house.tap(keysymOf('A')));
    for (const letter of 'b1 /') house.tap(keysymOf(letter));
    house.hold(SHIFT, () => ['!', '"', '~', 'Q'].forEach((letter) => house.tap(keysymOf(letter))));
    for (const letter of 'éß€漢Ωz') house.tap(keysymOf(letter));
    house.tap(RETURN);

    assert.equal(await terminal.line(), 'Ab1 /!"~Qéß€漢Ωz');
  });

  test('type capitals and signs that come without Shift', async () => {
    await using house = await openHouse();
    await using terminal = await Terminal.open(house.xvnc);
    await house.pointAt(200, 100);

    for (const letter of 'Hé!{ÄÖ@x') house.tap(keysymOf(letter));
    house.tap(RETURN);

    assert.equal(await terminal.line(), 'Hé!{ÄÖ@x');
  });

  test('still held are released when the host lets go of the controls', async () => {
    await using house = await openHouse();
    await using terminal = await Terminal.open(house.xvnc);
    await house.pointAt(200, 100);

    house.media.input({ type: 'key', down: true, keysym: SHIFT });
    await house.media.settle(10);
    house.client.send('control/release');
    await house.client.next('control/host', ({ payload }) => !payload.has_host);
    await house.drive();
    house.tap(keysymOf('a'));
    house.tap(RETURN);

    assert.equal(await terminal.line(), 'a');
  });
});

describe('the clipboard', () => {
  test('goes both ways and tells the host of what others put there', async () => {
    await using house = await openHouse();
    const long = 'ä'.repeat(300_000);

    house.client.send('clipboard/set', { text: long });
    const own = await house.client.next('clipboard/updated');
    assert.equal(own.payload.text.length, long.length);
    await using other = await EmbeddedStreamer.start(house.xvnc);
    await using otherClient = await NekoClient.login(other.baseUrl, PASSWORDS.admin);
    await otherClient.connect();
    otherClient.send('control/request');
    await otherClient.next('control/host');
    const { body } = await otherClient.call('GET', '/room/clipboard');
    assert.deepEqual(body, { text: long });
    otherClient.send('clipboard/set', { text: 'from elsewhere' });

    const theirs = await house.client.next('clipboard/updated', ({ payload }) => payload.text !== long);
    assert.equal(theirs.payload.text, 'from elsewhere');
  });
});

describe('the screen', () => {
  test('that somebody else resizes is told to everybody', async () => {
    await using house = await openHouse();
    await using other = await EmbeddedStreamer.start(house.xvnc, { 'desktop.screen': '960x500@25' });

    const { payload } = await house.client.next('screen/updated');

    assert.deepEqual({ width: payload.width, height: payload.height }, { width: 960, height: 500 });
    assert.equal((await other.stop()).code, 0);
  });
});

interface House extends AsyncDisposable {
  xvnc: Xvnc;
  client: NekoClient;
  media: ReceivedMedia;
  /** Takes the controls. */
  drive(): Promise<void>;
  pointAt(x: number, y: number): Promise<void>;
  tap(keysym: number): void;
  hold(keysym: number, meanwhile: () => void): void;
}

/** A desktop with a client that has the controls and a data channel. */
async function openHouse(): Promise<House> {
  await using opening = new AsyncDisposableStack();
  const xvnc = opening.use(await Xvnc.start());
  const streamer = opening.use(await EmbeddedStreamer.start(xvnc));
  const client = opening.use(await NekoClient.login(streamer.baseUrl, PASSWORDS.admin));
  await client.connect();
  const media = await client.join({ video: false });
  const drive = async (): Promise<void> => {
    client.send('control/request');
    await client.next('control/host', ({ payload }) => payload.host_id === client.id);
  };
  await drive();
  const owned = opening.move();
  return {
    xvnc,
    client,
    media,
    drive,
    pointAt: async (x, y) => {
      media.input({ type: 'move', x, y });
      await media.settle(1);
    },
    tap: (keysym) => {
      media.input({ type: 'key', down: true, keysym });
      media.input({ type: 'key', down: false, keysym });
    },
    hold: (keysym, meanwhile) => {
      media.input({ type: 'key', down: true, keysym });
      meanwhile();
      media.input({ type: 'key', down: false, keysym });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** An xterm that waits for one line and keeps it. */
class Terminal implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #ended: Promise<unknown>;

  static async open(xvnc: Xvnc): Promise<Terminal> {
    const folder = await mkdtemp(join(tmpdir(), 'terminal-'));
    const watching = new AbortController();
    const appeared = (async () => {
      for await (const { filename } of watch(folder, { signal: watching.signal })) if (filename === 'ready') return;
    })();
    const child = spawn(
      'xterm',
      ['-u8', '-geometry', '80x24+0+0', '-e', 'sh', '-c', 'touch ready; read -r line; printf %s "$line" > line'],
      { cwd: folder, stdio: 'ignore', env: { ...xvnc.env, PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8', HOME: folder } },
    );
    const ended = once(child, 'exit');
    await appeared;
    watching.abort();
    return new Terminal(child, folder, ended);
  }

  private constructor(child: ChildProcess, folder: string, ended: Promise<unknown>) {
    this.#child = child;
    this.#folder = folder;
    this.#ended = ended;
  }

  /** The line, once it has been entered. */
  async line(): Promise<string> {
    await this.#ended;
    return readFile(join(this.#folder, 'line'), 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

function keysymOf(letter: string): number {
  const code = letter.codePointAt(0) ?? 0;
  return code <= 0xff ? code : UNICODE + code;
}
