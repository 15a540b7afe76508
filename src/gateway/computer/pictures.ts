import { createHash } from 'node:crypto';
import sharp from 'sharp';
import type { Picture } from '../../computer/executor.ts';
import type { PictureRequest } from '../../computer/plan.ts';
import type { Size } from '../../computer/space.ts';
import { GatewayError } from '../../errors.ts';
import type { PictureTunnel } from './picture-tunnel.ts';

/** Of the JPEG that a picture is made of, so that little is lost twice. */
const SOURCE_QUALITY = 100;
/** Twice the size of the tightest, in a third of its time. */
const PNG_LEVEL = 3;
const PICTURE_MAX_MS = 10_000;

export interface PictureOptions {
  sessionId: string;
  request: PictureRequest;
  /** The screen as it is now. */
  screen: Size;
  signal: AbortSignal;
}

/** One picture of a session's screen, as the request wants it, with where it is from. @throws GatewayError */
export async function takePicture(
  tunnel: PictureTunnel,
  { sessionId, request, screen, signal }: PictureOptions,
): Promise<Picture> {
  const isAsTaken =
    request.format === 'jpeg' &&
    request.region === undefined &&
    request.size.width === screen.width &&
    request.size.height === screen.height;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PICTURE_MAX_MS)]);
  const jpeg = await askWithin(tunnel, isAsTaken ? request.quality : SOURCE_QUALITY, limit);
  const takenAt = new Date().toISOString();
  const bytes = isAsTaken ? jpeg : await transform(jpeg, request);
  const hash = createHash('sha256').update(bytes).digest('hex');
  return {
    format: request.format,
    ...request.size,
    hash,
    takenAt,
    sessionId,
    screen,
    ...(hash !== request.ifChanged && { data: bytes.toString('base64') }),
  };
}

async function askWithin(tunnel: PictureTunnel, quality: number, limit: AbortSignal): Promise<Buffer> {
  try {
    return await tunnel.ask({ quality }, limit);
  } catch (thrown) {
    if (thrown !== limit.reason || thrown instanceof GatewayError) throw thrown;
    throw new GatewayError('STREAMER_LOST', `the streamer gave no picture within ${PICTURE_MAX_MS} ms`, {
      cause: thrown,
    });
  }
}

async function transform(jpeg: Buffer, { format, quality, region, size }: PictureRequest): Promise<Buffer> {
  let image = sharp(jpeg);
  if (region) image = image.extract({ left: region.x, top: region.y, width: region.width, height: region.height });
  image = image.resize(size.width, size.height, { fit: 'fill' });
  try {
    if (format === 'png') return await image.png({ compressionLevel: PNG_LEVEL }).toBuffer();
    if (format === 'webp') return await image.webp({ quality }).toBuffer();
    return await image.jpeg({ quality }).toBuffer();
  } catch (cause) {
    throw new GatewayError('CONFLICT', 'the picture could not be made; the screen may just have changed its size', {
      cause,
    });
  }
}
