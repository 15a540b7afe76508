import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { EmbeddedStreamer, PASSWORDS } from '../../../test/harness/embedded-streamer.ts';
import { NekoClient, type ReceivedMedia } from '../../../test/harness/neko-client.ts';
import { Xvnc } from '../../../test/harness/xvnc.ts';
import { startsVp8KeyFrame } from './rtp-stream.ts';
import { XDisplay } from './x11.ts';

const TWO_QUALITIES = {
  'capture.video.ids': 'hq,lq',
  'capture.video.pipelines': JSON.stringify({
    hq: { fps: '25', gst_encoder: 'vp8enc', gst_params: { 'target-bitrate': 'round(3072 * 650)', deadline: '1' } },
    lq: {
      fps: 'fps / 2',
      width: 'width / 2',
      height: 'height / 2',
      gst_encoder: 'vp8enc',
      gst_params: { deadline: '1' },
    },
  }),
};

describe('a still screen', () => {
  test('is sent a frame a second or so; a change is sent at once, and whoever joins gets a key frame', async () => {
    await using house = await openHouse();
    const { media } = await house.watch();
    await media.firstKeyFrame;
    await house.untilAsleep();

    const frames = framesOf(media);
    await media.until(() => framesOf(media) >= frames + 2);
    await house.untilAsleep();
    await house.paint();
    const before = framesOf(media);
    await media.until(() => framesOf(media) > before + 5);
    await house.untilAsleep();
    const { media: late } = await house.watch();

    assert.ok(startsVp8KeyFrame((await late.firstKeyFrame).payload));
  });

  test('leaves no process behind when the streamer is killed', async () => {
    await using house = await openHouse();
    const { media } = await house.watch();
    await media.firstKeyFrame;
    await house.untilAsleep();
    const pipeline = await house.pipeline();

    process.kill(house.streamer.pid, 'SIGKILL');
    await house.streamer.exited;

    while (await isThere(pipeline)) await sleep(10);
    assert.equal(await isThere(pipeline), false);
  });
});

describe('two qualities', () => {
  test('are encoded only while they are watched, and changed without a gap', async () => {
    await using house = await openHouse(TWO_QUALITIES);
    const { client, media } = await house.watch();
    await media.firstKeyFrame;
    assert.equal(await house.metric('pipelines_active', 'lq'), '0');

    client.send('signal/video', { selector: { id: 'hq', type: 'lower' } });
    const { payload } = await client.next('signal/video', (message) => message.payload.id === 'lq');
    await media.until(() => media.video.some((packet) => vp8Width(packet.payload) === 640));

    assert.deepEqual(payload, { disabled: false, id: 'lq', video: 'lq', auto: false });
    assert.equal(await house.metric('pipelines_active', 'hq'), '0');
    assert.deepEqual(missing(media), []);
  });

  test('are left to the connection where a viewer says so: one that carries it gets the higher', async () => {
    await using house = await openHouse({
      ...TWO_QUALITIES,
      'webrtc.estimator.enabled': 'true',
      'webrtc.estimator.read_interval': '200ms',
      'webrtc.estimator.stable_duration': '1s',
    });
    await using _busy = house.keepPainting();
    const { client, media } = await house.watch({
      transportFeedback: true,
      request: { video: { selector: { id: 'lq', type: 'exact' }, auto: true } },
    });

    const first = await client.next('signal/video');
    await client.next('signal/video', ({ payload }) => payload.id === 'hq');

    assert.deepEqual([first.payload.id, first.payload.auto], ['lq', true]);
    await media.until(() => media.video.some((packet) => vp8Width(packet.payload) === 1280));
  });
});

describe('lost packets', () => {
  test('are sent again when they are asked for, even long after', async () => {
    await using house = await openHouse();
    await using _busy = house.keepPainting();
    const { media } = await house.watch();
    await media.firstKeyFrame;
    await media.until(() => media.video.length > 200);
    const old = media.video[20];
    assert.ok(old);
    const sofar = media.video.length;

    await media.requestAgain(old.header.sequenceNumber);

    await media.until(() =>
      media.video.slice(sofar).some((packet) => packet.header.sequenceNumber === old.header.sequenceNumber),
    );
  });
});

interface House extends AsyncDisposable {
  streamer: EmbeddedStreamer;
  watch(options?: Parameters<NekoClient['join']>[0]): Promise<{ client: NekoClient; media: ReceivedMedia }>;
  /** Changes what the screen shows. */
  paint(): Promise<void>;
  keepPainting(): AsyncDisposable;
  /** The process that captures. */
  pipeline(): Promise<number>;
  untilAsleep(): Promise<void>;
  metric(name: string, videoId: string): Promise<string | undefined>;
}

async function openHouse(flags: Record<string, string> = {}): Promise<House> {
  await using opening = new AsyncDisposableStack();
  const xvnc = opening.use(await Xvnc.start());
  const streamer = opening.use(await EmbeddedStreamer.start(xvnc, flags));
  const authority = await readFile(xvnc.env.XAUTHORITY);
  const display = opening.use(await XDisplay.open(xvnc.display, () => undefined, authority.subarray(-16)));
  const owned = opening.move();
  let shade = 0;
  const paint = async (): Promise<void> => {
    const { client, root } = display;
    const window = client.AllocID();
    shade = (shade + 1) % 16;
    // A window of a colour of its own, for a moment.
    client.CreateWindow(window, root, 50 * shade, 30 * shade, 400, 300, 0, 0, 1, 0, {
      backgroundPixel: shade * 0x0f_1f0f,
    });
    client.MapWindow(window);
    await display.sync();
    client.DestroyWindow(window);
    await display.sync();
  };
  const pipeline = async (): Promise<number> => {
    const children = await readFile(`/proc/${streamer.pid}/task/${streamer.pid}/children`, 'utf8');
    return Number(children.trim().split(' ')[0]);
  };
  return {
    streamer,
    paint,
    pipeline,
    watch: async (options) => {
      const client = owned.use(await NekoClient.login(streamer.baseUrl, PASSWORDS.admin));
      await client.connect();
      return { client, media: await client.join(options) };
    },
    keepPainting: () => {
      const stopping = new AbortController();
      const painting = (async () => {
        for (; !stopping.signal.aborted; await sleep(40)) await paint();
      })();
      return {
        [Symbol.asyncDispose]: async () => {
          stopping.abort();
          await painting;
        },
      };
    },
    untilAsleep: async () => {
      while ((await stateOf(await pipeline())) !== 'T') await sleep(10);
    },
    metric: async (name, videoId) => {
      const text = await (await fetch(`${streamer.baseUrl}/metrics`)).text();
      return new RegExp(`^neko_capture_${name}{.*"${videoId}"} (.+)$`, 'm').exec(text)?.[1];
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Sequence numbers between the first and the last that came that never came. */
function missing(media: ReceivedMedia): number[] {
  const numbers = media.video.map((packet) => packet.header.sequenceNumber);
  const [first = 0] = numbers;
  const places = new Set(numbers.map((number) => (number - first + 0x8000) & 0xffff));
  const last = Math.max(...places);
  const all = Array.from({ length: last - 0x8000 }, (_, index) => 0x8000 + index);
  return all.filter((place) => !places.has(place));
}

/** As in /proc: T is stopped. */
async function stateOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  return text.split(') ').at(-1)?.[0];
}

async function isThere(pid: number): Promise<boolean> {
  try {
    return (await stateOf(pid)) !== 'Z';
  } catch {
    return false;
  }
}

function framesOf(media: ReceivedMedia): number {
  return media.video.filter((packet) => packet.header.marker).length;
}

/** A VP8 key frame's width, from its header (RFC 6386, section 9.1), or undefined for other packets. */
function vp8Width(payload: Buffer): number | undefined {
  const frame = payload.subarray(1);
  const isKeyFrameStart = ((payload[0] ?? 0) & 0x90) === 0x10 && ((frame[0] ?? 1) & 1) === 0;
  if (!isKeyFrameStart || frame.readUIntBE(3, 3) !== 0x9d012a) return undefined;
  return frame.readUInt16LE(6) & 0x3fff;
}
