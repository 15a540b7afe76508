import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import sharp from 'sharp';
import type { Picture } from '../../computer/executor.ts';
import type { PictureRequest } from '../../computer/plan.ts';
import type { Size } from '../../computer/space.ts';
import { GatewayError } from '../../errors.ts';
import type { PictureHead } from '../../protocol/http-tunnel.ts';
import { receiveMessage, sendMessage } from '../../websocket/http-message.ts';
import { getJoinable } from '../logins/admission.ts';
import { orderOfPlainClient } from '../logins/order.ts';
import { failureOfTunnel, type TunnelDeps } from '../neko-api/routes.ts';
import type { AccessRow } from '../store/tables.ts';

/** A JPEG of the largest screen that neko has is smaller; a longer one is refused as MESSAGE_TOO_BIG. */
const JPEG_MAX_BYTES = 32 * 1024 * 1024;
/** Of the JPEG that a picture is made of, so that little is lost twice. */
const SOURCE_QUALITY = 100;
/** Twice the size of the tightest, in a third of its time. */
const PNG_LEVEL = 3;
const PICTURE_MAX_MS = 10_000;

export interface PictureOptions {
  request: PictureRequest;
  /** The screen as it is now. */
  screen: Size;
  signal: AbortSignal;
}

/** One picture of a session's screen, as the request wants it, with where it is from. @throws GatewayError */
export async function takePicture(
  deps: TunnelDeps,
  access: AccessRow,
  { request, screen, signal }: PictureOptions,
): Promise<Picture> {
  const isAsTaken =
    request.format === 'jpeg' &&
    request.region === undefined &&
    request.size.width === screen.width &&
    request.size.height === screen.height;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(PICTURE_MAX_MS)]);
  const jpeg = await fetchJpeg(deps, access, { quality: isAsTaken ? request.quality : SOURCE_QUALITY }, limit);
  const takenAt = new Date().toISOString();
  const bytes = isAsTaken ? jpeg : await transform(jpeg, request);
  const hash = createHash('sha256').update(bytes).digest('hex');
  return {
    format: request.format,
    ...request.size,
    hash,
    takenAt,
    sessionId: access.session_id,
    screen,
    ...(hash !== request.ifChanged && { data: bytes.toString('base64') }),
  };
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

async function fetchJpeg(deps: TunnelDeps, access: AccessRow, head: PictureHead, signal: AbortSignal): Promise<Buffer> {
  const sessionId = access.session_id;
  const { connection } = await getJoinable(deps, sessionId);
  const request = { kind: 'picture', sessionId, login: orderOfPlainClient(access) } as const;
  const tunnel = await deps.tunnels.open(connection, request, signal);
  const cut = (): void => tunnel.terminate();
  signal.addEventListener('abort', cut);
  try {
    await sendMessage(tunnel, head, Readable.from([]));
    const { body } = await receiveMessage(tunnel, failureOfTunnel);
    return await readAll(body);
  } catch (thrown) {
    tunnel.terminate();
    throw signal.aborted && signal.reason instanceof GatewayError ? signal.reason : thrown;
  } finally {
    signal.removeEventListener('abort', cut);
  }
}

async function readAll(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > JPEG_MAX_BYTES)
      throw new GatewayError('MESSAGE_TOO_BIG', `the desktop's picture is longer than ${JPEG_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
