import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import sharp, { type Sharp } from 'sharp';
import type { Picture, Settled } from '../../computer/executor.ts';
import { findDifference, type Difference, type Pixels } from '../../computer/picture-difference.ts';
import type { PictureRequest, SettleRequest } from '../../computer/plan.ts';
import type { Point, Region, Size } from '../../computer/space.ts';
import { GatewayError } from '../../errors.ts';
import type { PictureTunnel } from './picture-tunnel.ts';
import { ShownPictures, type Shot } from './shown-pictures.ts';

/** Of the JPEG that a picture is made of, so that little is lost twice. */
const SOURCE_QUALITY = 100;
/** Twice the size of the tightest, in a third of its time. */
const PNG_LEVEL = 3;
/** The pointer's place is its tip. neko's pictures are without it, and it says where the pointer is but not how it looks. */
const ARROW = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="14" height="20"><path d="M0 0V17L4 13L7 19.5L9.5 18.5L7 12.5H12.5Z" fill="#000" stroke="#fff"/></svg>',
);
const PICTURE_MAX_MS = 10_000;
/** Between two looks at a screen that is to come to rest; each costs its host as much as a picture does. */
const LOOK_EVERY_MS = { min: 20, max: 100 };
/** Looks in the time for which it is to rest, so that little is waited beyond it. */
const LOOKS_A_REST = 4;

export interface LookOptions {
  /** The screen as it is now. */
  screen: Size;
  /** In its pixels; asked for pictures that show it. */
  findPointer: (signal: AbortSignal) => Promise<Point>;
  signal: AbortSignal;
}

/** The picture that a program goes by. */
export interface Reference {
  hash: string;
  /** In the screen's pixels; left out, all of it. */
  region: Region | undefined;
  /** The part of its pixels that may differ. */
  tolerance: number;
}

/** What one program sees of its session's screen. */
export class Sight {
  readonly #sessionId: string;
  readonly #tunnel: PictureTunnel;
  readonly #shown = new ShownPictures();

  constructor(sessionId: string, tunnel: PictureTunnel) {
    this.#sessionId = sessionId;
    this.#tunnel = tunnel;
  }

  /** One picture as the request wants it, with where it is from. @throws GatewayError */
  async take(request: PictureRequest, options: LookOptions): Promise<Picture> {
    return await this.#make(await this.#look(qualityOf(request, options.screen), options.signal), request, options);
  }

  /** Resolves with the picture of a screen that has come to rest, or hasn't in that time. @throws GatewayError */
  async settle(
    { quietMs, timeoutMs, tolerance, request }: SettleRequest,
    options: LookOptions,
  ): Promise<{ picture: Picture; settled: Settled }> {
    const { screen, signal } = options;
    const quality = qualityOf(request, screen);
    const pauseMs = Math.min(Math.max(quietMs / LOOKS_A_REST, LOOK_EVERY_MS.min), LOOK_EVERY_MS.max);
    const startedAt = performance.now();
    const before = this.#shown.last;
    let resting = await this.#look(quality, signal);
    const first = resting;
    let now = resting;
    let restingSince = startedAt;
    let isQuiet = false;
    while (!isQuiet && performance.now() - startedAt < timeoutMs) {
      await sleep(pauseMs, undefined, { signal });
      now = await this.#look(quality, signal);
      if ((await differenceOf(resting.jpeg, now.jpeg)).share > tolerance) {
        restingSince = performance.now();
        resting = now;
      }
      isQuiet = performance.now() - restingSince >= quietMs;
    }
    const ms = Math.round((isQuiet ? restingSince : performance.now()) - startedAt);
    // What changed within the tolerance is shown and told as well.
    const picture = await this.#make(now, request, options);
    const { jpeg, quality: sameQuality } = before ?? first;
    const after = sameQuality === quality ? now : await this.#look(sameQuality, signal);
    const { rectangles } = await differenceOf(jpeg, after.jpeg);
    return { picture, settled: { isQuiet, ms, changed: rectangles } };
  }

  /** Resolves while the screen is what the program was shown. @throws GatewayError SCREEN_CHANGED, also for a picture that is too old to be known */
  async refuseIfChanged({ hash, region, tolerance }: Reference, { signal }: LookOptions): Promise<void> {
    const shown = this.#shown.find(hash);
    if (!shown)
      throw new GatewayError('SCREEN_CHANGED', `picture ${hash} is not one of the last that were shown; look again`);
    const now = await this.#look(shown.quality, signal);
    const { share, rectangles } = await differenceOf(shown.jpeg, now.jpeg, region);
    if (share <= tolerance) return;
    const where = rectangles.map(({ x, y, width, height }) => `${width}x${height} at (${x}, ${y})`).join(', ');
    const part = `${(share * 100).toPrecision(2)} %`;
    throw new GatewayError(
      'SCREEN_CHANGED',
      `${part} of the picture changed since, on the screen ${where}; look again`,
    );
  }

  close(): void {
    this.#tunnel.close();
  }

  async #make(shot: Shot, request: PictureRequest, options: LookOptions): Promise<Picture> {
    const { screen } = options;
    const { jpeg } = shot;
    const takenAt = new Date().toISOString();
    const pointer = request.hasCursor ? await options.findPointer(options.signal) : undefined;
    const bytes = isAsTaken(request, screen) ? jpeg : await transform(jpeg, request, pointer);
    const hash = createHash('sha256').update(bytes).digest('hex');
    this.#shown.keep(hash, shot);
    return {
      format: request.format,
      ...request.size,
      hash,
      takenAt,
      sessionId: this.#sessionId,
      screen,
      ...(hash !== request.ifChanged && { data: bytes.toString('base64') }),
    };
  }

  async #look(quality: number, signal: AbortSignal): Promise<Shot> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(PICTURE_MAX_MS)]);
    try {
      return { jpeg: await this.#tunnel.ask({ quality }, limit), quality };
    } catch (thrown) {
      if (thrown !== limit.reason || thrown instanceof GatewayError) throw thrown;
      const message = `the streamer gave no picture within ${PICTURE_MAX_MS} ms`;
      throw new GatewayError('STREAMER_LOST', message, { cause: thrown });
    }
  }
}

/** Whether the streamer's own JPEG is what is asked for. */
function isAsTaken({ format, region, size, hasCursor }: PictureRequest, screen: Size): boolean {
  return (
    !hasCursor &&
    format === 'jpeg' &&
    region === undefined &&
    size.width === screen.width &&
    size.height === screen.height
  );
}

function qualityOf(request: PictureRequest, screen: Size): number {
  return isAsTaken(request, screen) ? request.quality : SOURCE_QUALITY;
}

async function differenceOf(before: Buffer, after: Buffer, region?: Region): Promise<Difference> {
  // Of an unchanged screen the streamer makes the same bytes.
  if (before.equals(after)) return { share: 0, rectangles: [] };
  return findDifference(await pixelsOf(before), await pixelsOf(after), region);
}

async function pixelsOf(jpeg: Buffer): Promise<Pixels> {
  const { data, info } = await sharp(jpeg).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

async function transform(
  jpeg: Buffer,
  { format, quality, region, size }: PictureRequest,
  pointer: Point | undefined,
): Promise<Buffer> {
  try {
    let image = pointer ? await withArrow(jpeg, pointer) : sharp(jpeg);
    if (region) image = image.extract({ left: region.x, top: region.y, width: region.width, height: region.height });
    image = image.resize(size.width, size.height, { fit: 'fill' });
    if (format === 'png') return await image.png({ compressionLevel: PNG_LEVEL }).toBuffer();
    if (format === 'webp') return await image.webp({ quality }).toBuffer();
    return await image.jpeg({ quality }).toBuffer();
  } catch (cause) {
    throw new GatewayError('CONFLICT', 'the picture could not be made; the screen may just have changed its size', {
      cause,
    });
  }
}

/** A picture of its own: sharp would cut and scale first, whatever the order here. */
async function withArrow(jpeg: Buffer, { x, y }: Point): Promise<Sharp> {
  const drawn = sharp(jpeg).composite([{ input: ARROW, left: x, top: y }]);
  const { data, info } = await drawn.raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  return sharp(data, { raw: { width, height, channels } });
}
