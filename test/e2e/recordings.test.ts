// Recordings of a desktop's screen and sound: what they show, how they end, and who may have them.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import type { Page } from 'playwright-core';
import { z } from 'zod';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { isBlue, isRed, openBrowser, type Colour } from '../harness/browser.ts';
import { connect } from '../../src/sdk/index.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { grant, openHouse, startDesktop } from '../harness/house.ts';
import { Xvnc } from '../harness/xvnc.ts';
import { readEnvironment } from '../../src/config.ts';
import { Screen } from '../../src/neko/embedded/screen.ts';
import { XDisplay } from '../../src/neko/embedded/x11.ts';
import { findSessionProcesses } from '../../src/process/sweep.ts';
import { RecordingOrder, type Recording } from '../../src/protocol/recordings.ts';
import { AUDIO_DEVICE, soundServer } from '../../src/desktop/audio.ts';
import { displayEnvironment, xauthorityOf } from '../../src/desktop/environment.ts';
import { fillSessionFolder, sessionFolder } from '../../src/desktop/folder.ts';
import { findDesktopPrograms } from '../../src/desktop/programs.ts';
import { Recordings } from '../../src/desktop/tools/recordings.ts';

const AuditPage = z.object({ audit: z.array(z.object({ action: z.string() })) });
const BLUE = 0x00_00_ff;
const RED = 0xff_00_00;

describe('a recording', () => {
  let studio: Studio;
  beforeAll(async () => {
    studio = await openStudio();
  });
  afterAll(() => studio[Symbol.asyncDispose]());

  test('plays what was seen and heard, from any place in it', async () => {
    const { recordings } = studio;
    await studio.paint(BLUE);
    await using _tone = studio.playTone();

    const started = await recordings.start(RecordingOrder.parse({ name: 'Déjà vu', fps: 20 }));
    await studio.untilGrown(started.id);
    await studio.paint(RED);
    await studio.untilGrown(started.id);
    const ended = await recordings.stop(started.id);

    assert.deepEqual([started.state, started.endedAt], ['recording', null]);
    assert.match(started.fileName, /^Déjà vu \d{4}-\d\d-\d\d \d\d-\d\d-\d\d\.mp4$/);
    assert.deepEqual([ended.state, ended.end?.by, ended.width, ended.height], ['completed', 'request', 640, 480]);
    const seen = await studio.watch(ended);
    assert.deepEqual([seen.width, seen.height], [640, 480]);
    assert.ok(seen.first && isBlue(seen.first) && seen.last && isRed(seen.last), JSON.stringify(seen));
    assert.ok(seen.loudness > 0.05, `the tone is as loud as ${seen.loudness}`);
    assert.equal((await studio.read(ended.id)).includes('mfra'), true);
  });

  test('whose encoder is killed plays up to there, and says so', async () => {
    const { recordings } = studio;
    await studio.paint(RED);
    const { id } = await recordings.start(RecordingOrder.parse({}));
    await studio.untilGrown(id);

    await studio.killEncoder(id);
    const ended = await studio.untilEnded(id);

    assert.deepEqual([ended.state, ended.end?.by], ['completed', 'cut']);
    assert.match(ended.end?.message ?? '', /SIGKILL/);
    assert.equal(ended.bytes, (await studio.read(id)).length);
    const seen = await studio.watch(ended);
    assert.ok(seen.seconds > 0.5 && seen.last && isRed(seen.last), JSON.stringify(seen));
  });

  test('whose file was taken away has failed', async () => {
    const { recordings } = studio;
    const { id } = await recordings.start(RecordingOrder.parse({ sound: false }));

    await rm(join(studio.folder, `${id}.mp4`));
    const ended = await studio.untilEnded(id);

    assert.deepEqual([ended.state, ended.bytes, ended.end?.by], ['failed', 0, 'cut']);
    await assert.rejects(recordings.openFile(id), { code: 'NOT_FOUND' });
  });

  test('ends by itself at its limits, and when the screen becomes another one', async () => {
    const { recordings } = studio;
    await using _busy = studio.keepPainting();
    const short = await recordings.start(RecordingOrder.parse({ sound: false, maxSeconds: 1 }));
    const small = await recordings.start(RecordingOrder.parse({ sound: false, maxBytes: 1024 ** 2, fps: 60 }));
    assert.equal((await studio.untilEnded(short.id)).end?.by, 'duration');
    assert.equal((await studio.untilEnded(small.id)).end?.by, 'bytes');

    const resized = await recordings.start(RecordingOrder.parse({ sound: false }));
    await studio.untilGrown(resized.id);
    await studio.resize(320, 240);
    const ended = await studio.untilEnded(resized.id);
    assert.deepEqual([ended.state, ended.end?.by, ended.width], ['completed', 'resize', 640]);
    assert.equal((await studio.watch(ended)).width, 640);
  });

  test('is found by the next desktop with this home, also one that a crash cut; others are refused beyond the limit', async () => {
    const { recordings } = studio;
    const order = RecordingOrder.parse({ sound: false, name: 'one of two' });
    const [one, other] = await Promise.all([recordings.start(order), recordings.start(order)]);
    await assert.rejects(recordings.start(order), { code: 'CONFLICT' });
    await Promise.all([studio.untilGrown(one.id), studio.untilGrown(other.id)]);
    await recordings.remove(other.id);
    assert.throws(() => recordings.get(other.id), { code: 'NOT_FOUND' });

    await using later = await studio.openAnother({ withFilesOf: one.id });
    const last = await later.start(order);
    await later.close();
    assert.deepEqual([later.get(last.id).state, later.get(last.id).end?.by], ['completed', 'session']);
    await later.remove(last.id);

    assert.deepEqual(
      later.list().map(({ id, state, end, fileName }) => [id, state, end?.by, fileName]),
      [[one.id, 'completed', 'cut', one.fileName]],
    );
    await recordings.stop(one.id);
  });
});

test('who may drive records a session by the gateway and takes the file, whole or in parts; a viewer does not', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm']);
  const [controller, viewer] = await Promise.all([
    grant(house, sessionId, 'controller'),
    grant(house, sessionId, 'viewer'),
  ]);
  const call = (method: string, path: string, { token = controller.token, range = '' } = {}): Promise<Response> =>
    fetch(`${house.gateway.url}/api/v1/sessions/${sessionId}/recordings${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(range !== '' && { range }) },
    });

  const { recordings } = connect({ url: house.gateway.url, token: controller.token }).desktop(sessionId);

  const { id, state } = await recordings.start({ fps: 10, maxSeconds: 60 });
  assert.equal(state, 'recording');
  await assert.rejects(recordings.download(id), { code: 'CONFLICT' });
  const stopped = await recordings.stop(id);
  assert.equal(stopped.state, 'completed');

  const whole = await call('GET', `/${id}/content`);
  const bytes = Buffer.from(await whole.arrayBuffer());
  assert.deepEqual([whole.status, whole.headers.get('content-type'), bytes.length], [200, 'video/mp4', stopped.bytes]);
  assert.equal(bytes.toString('latin1', 4, 8), 'ftyp');
  const part = await call('GET', `/${id}/content`, { range: 'bytes=4-7' });
  assert.deepEqual([part.status, part.headers.get('content-range')], [206, `bytes 4-7/${bytes.length}`]);
  assert.equal(await part.text(), 'ftyp');
  const last = await call('GET', `/${id}/content`, { range: 'bytes=-5' });
  assert.deepEqual(Buffer.from(await last.arrayBuffer()), bytes.subarray(-5));
  assert.equal((await call('GET', `/${id}/content`, { range: `bytes=${bytes.length}-` })).status, 400);

  for (const [method, path] of [
    ['GET', ''],
    ['GET', `/${id}/content`],
    ['DELETE', `/${id}`],
  ] as const)
    assert.equal((await call(method, path, { token: viewer.token })).status, 403);
  const watching = connect({ url: house.gateway.url, token: viewer.token }).desktop(sessionId);
  await assert.rejects(watching.recordings.start(), { code: 'FORBIDDEN' });
  assert.deepEqual(await recordings.list(), [stopped]);
  assert.deepEqual(Buffer.from(await new Response(await recordings.download(id)).arrayBuffer()), bytes);
  await recordings.remove(id);
  await assert.rejects(recordings.get(id), { code: 'NOT_FOUND' });
  const { audit } = await house.callApi('GET', '/api/v1/audit', AuditPage);
  assert.deepEqual(
    audit.map(({ action }) => action).filter((action) => action.startsWith('recording.')),
    ['deleted', 'downloaded', 'downloaded', 'stopped', 'started'].map((what) => `recording.${what}`),
  );
});

interface Studio extends AsyncDisposable {
  recordings: Recordings;
  /** Where they lie. */
  folder: string;
  paint(colour: number): Promise<void>;
  keepPainting(): AsyncDisposable;
  resize(width: number, height: number): Promise<void>;
  playTone(): AsyncDisposable;
  killEncoder(id: string): Promise<void>;
  /** Resolves once two more fragments of it lie on the disk. */
  untilGrown(id: string): Promise<void>;
  untilEnded(id: string): Promise<Recording>;
  read(id: string): Promise<Buffer>;
  watch(recording: Recording): Promise<Seen>;
  /** As if the desktop had been killed just now, on a copy of one recording. */
  openAnother(options: { withFilesOf: string }): Promise<Recordings>;
}

interface Seen {
  seconds: number;
  width: number;
  height: number;
  first: Colour | undefined;
  last: Colour | undefined;
  /** The root of the mean square, of 1 at most; 0 where there is no sound. */
  loudness: number;
}

async function openStudio(): Promise<Studio> {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryFolder());
  const folder = sessionFolder(path);
  await fillSessionFolder(folder);
  const xvnc = opening.use(await Xvnc.start({ width: 640, height: 481 }));
  await copyFile(xvnc.env.XAUTHORITY, xauthorityOf(folder));
  const environment = { path: readEnvironment().path, inheritable: {}, folder };
  const { soundServer: pulseaudio = '' } = findDesktopPrograms(environment.path);
  opening.use(await soundServer(pulseaudio, environment).start(AbortSignal.timeout(20_000)));
  const cookie = (await readFile(xvnc.env.XAUTHORITY)).subarray(-16);
  const display = opening.use(await XDisplay.open(xvnc.display, () => undefined, cookie));
  const log = pino({ level: 'silent' });
  const options = {
    environment,
    takeDisplay: async () => ({ name: xvnc.display, display }),
    audioDevice: AUDIO_DEVICE,
    log,
  };
  const recordings = opening.use(await Recordings.open(options));
  const browser = opening.use(await openBrowser());
  const page = await browser.newPage();
  const kept = join(folder.home, '.local/share/nekogate/recordings');
  const owned = opening.move();
  const fileOf = (id: string): string => join(kept, `${id}.mp4`);
  const paint = async (colour: number): Promise<void> => {
    const { client, root } = display;
    const window = client.AllocID();
    const overrideRedirect = { backgroundPixel: colour, overrideRedirect: 1 };
    client.CreateWindow(window, root, 0, 0, 640, 481, 0, 0, 1, 0, overrideRedirect);
    client.MapWindow(window);
    await display.sync();
  };
  const read = async (id: string): Promise<Buffer> => {
    const file = await recordings.openFile(id);
    try {
      return await file.readFile();
    } finally {
      await file.close();
    }
  };
  return {
    recordings,
    folder: kept,
    paint,
    read,
    keepPainting: () => {
      const child = spawn('xterm', ['-e', 'cat /dev/urandom | od -x'], {
        env: displayEnvironment(environment, xvnc.display),
      });
      return ending(child);
    },
    resize: async (width, height) => {
      const screen = await Screen.open(display);
      await screen.set({ width, height, rate: 60 });
      screen.close();
    },
    playTone: () => {
      const tone = 'audiotestsrc freq=440 ! audioconvert ! pulsesink'.split(' ');
      const child = spawn('gst-launch-1.0', ['-q', ...tone], { env: displayEnvironment(environment, xvnc.display) });
      return ending(child);
    },
    killEncoder: async (id) => {
      for (const pid of findSessionProcesses(path))
        if ((await readFile(`/proc/${pid}/cmdline`, 'utf8')).includes(id)) process.kill(pid, 'SIGKILL');
    },
    untilGrown: async (id) => {
      const before = fragmentsIn(await readFile(fileOf(id)));
      while (fragmentsIn(await readFile(fileOf(id))) < before + 2) await sleep(50);
    },
    untilEnded: async (id) => {
      while (recordings.get(id).state === 'recording') await sleep(20);
      return recordings.get(id);
    },
    watch: async ({ id }) => watch(page, await read(id)),
    openAnother: async ({ withFilesOf: id }) => {
      const { path: another } = owned.use(await temporaryFolder());
      const elsewhere = { ...folder, home: join(another, 'home') };
      const to = join(elsewhere.home, '.local/share/nekogate/recordings');
      await mkdir(to, { recursive: true });
      for (const name of [`${id}.mp4`, `${id}.json`]) await copyFile(join(kept, name), join(to, name));
      // What a program of the session might leave there.
      await symlink('/etc/passwd', join(to, '0123456789abcdef.json'));
      await writeFile(join(to, 'fedcba9876543210.json'), '{"id":"fedcba9876543210","state":"completed"}');
      return Recordings.open({ ...options, environment: { ...environment, folder: elsewhere } });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function fragmentsIn(file: Buffer): number {
  return file.toString('latin1').split('moof').length - 1;
}

function ending(child: ChildProcess): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      const exited = once(child, 'exit');
      child.kill();
      await exited;
    },
  };
}

/** What Chromium makes of an MP4 file. */
function watch(page: Page, file: Buffer): Promise<Seen> {
  return page.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const video = document.createElement('video');
    video.src = URL.createObjectURL(new Blob([bytes], { type: 'video/mp4' }));
    const happens = (event: string): Promise<void> =>
      new Promise((resolve, reject) => {
        video.addEventListener(event, () => resolve(), { once: true });
        video.addEventListener('error', () => reject(new Error(video.error?.message)), { once: true });
      });
    document.body.replaceChildren(video);
    await happens('loadeddata');
    const colourAt = async (seconds: number): Promise<Colour> => {
      const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
      video.currentTime = seconds;
      await shown;
      const context = new OffscreenCanvas(1, 1).getContext('2d');
      // Not in the middle, where the pointer is.
      context?.drawImage(video, 40, 40, 1, 1, 0, 0, 1, 1);
      const [red = 0, green = 0, blue = 0] = context?.getImageData(0, 0, 1, 1).data ?? [];
      return { red, green, blue };
    };
    const last = await colourAt(video.duration - 0.1);
    const first = await colourAt(0.1);
    const sound = await new OfflineAudioContext(2, 1, 48_000).decodeAudioData(bytes.buffer).catch(() => undefined);
    const samples = sound?.getChannelData(0) ?? new Float32Array();
    const square = samples.reduce((sum, sample) => sum + sample * sample, 0);
    return {
      seconds: video.duration,
      width: video.videoWidth,
      height: video.videoHeight,
      first,
      last,
      loudness: samples.length === 0 ? 0 : Math.sqrt(square / samples.length),
    };
  }, file.toString('base64'));
}
