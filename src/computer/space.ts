// The size of the picture that a program sees, in whose pixels it speaks.
import { GatewayError } from '../errors.ts';

export interface Size {
  width: number;
  height: number;
}

export interface Point {
  x: number;
  y: number;
}

/** How large a model's picture may be; a larger one its maker would shrink again, and the coordinates with it. */
export interface PictureLimits {
  longEdge: number;
  pixels: number;
}

export interface Region extends Point, Size {}

/** The largest picture of this screen within the limits, in its proportions. It depends on nothing else, so that it stays as it is for a session. */
export function fitSize(screen: Size, { longEdge, pixels }: PictureLimits): Size {
  const { width, height } = screen;
  const scale = Math.min(1, longEdge / Math.max(width, height), Math.sqrt(pixels / (width * height)));
  return scale === 1 ? { width, height } : scaleSize(screen, scale);
}

export function scaleSize({ width, height }: Size, scale: number): Size {
  return { width: Math.max(1, Math.floor(width * scale)), height: Math.max(1, Math.floor(height * scale)) };
}

/** The screen's pixel in the middle of what the picture's pixel shows. @throws GatewayError OUT_OF_RANGE: nothing is clamped */
export function toScreen({ x, y }: Point, space: Size, screen: Size): Point {
  if (x < 0 || y < 0 || x >= space.width || y >= space.height)
    throw new GatewayError(
      'OUT_OF_RANGE',
      `(${x}, ${y}) is outside of the picture, which is ${space.width} by ${space.height}`,
    );
  return { x: scaleEdge(x + 0.5, space.width, screen.width), y: scaleEdge(y + 0.5, space.height, screen.height) };
}

/** The part of the screen that a part of the picture shows. @throws GatewayError OUT_OF_RANGE */
export function regionToScreen(region: Region, space: Size, screen: Size): Region {
  const { x, y, width, height } = region;
  if (x < 0 || y < 0 || x + width > space.width || y + height > space.height)
    throw new GatewayError(
      'OUT_OF_RANGE',
      `the region (${x}, ${y}) ${width} by ${height} is not inside of the picture, which is ${space.width} by ${space.height}`,
    );
  const left = scaleEdge(x, space.width, screen.width);
  const top = scaleEdge(y, space.height, screen.height);
  const right = Math.ceil(((x + width) * screen.width) / space.width);
  const bottom = Math.ceil(((y + height) * screen.height) / space.height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The picture's pixel that shows the screen's. */
export function toSpace({ x, y }: Point, space: Size, screen: Size): Point {
  return {
    x: Math.min(space.width - 1, scaleEdge(x + 0.5, screen.width, space.width)),
    y: Math.min(space.height - 1, scaleEdge(y + 0.5, screen.height, space.height)),
  };
}

/** The part of the picture that shows a part of the screen. */
export function regionToSpace(region: Region, space: Size, screen: Size): Region {
  const { x, y, width, height } = region;
  const left = scaleEdge(x, screen.width, space.width);
  const top = scaleEdge(y, screen.height, space.height);
  const right = Math.ceil(((x + width) * space.width) / screen.width);
  const bottom = Math.ceil(((y + height) * space.height) / screen.height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function scaleEdge(value: number, from: number, to: number): number {
  return Math.floor((value * to) / from);
}
