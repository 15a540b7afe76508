// Where the desktop's picture stands in the viewer, and which desktop pixel lies under a point. Pure.

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point, Size {}

/** `fit` fills the room and keeps the proportions; `none` shows one desktop pixel as one CSS pixel. */
export type Scaling = 'fit' | 'none';

/** Where a desktop of `screen` pixels stands in a room of CSS pixels: centred, and at 0 where it is larger than the room. */
export function placeScreen(room: Size, screen: Size, scaling: Scaling): Box {
  if (isEmpty(room) || isEmpty(screen)) return { x: 0, y: 0, width: 0, height: 0 };
  const scale = scaling === 'none' ? 1 : Math.min(room.width / screen.width, room.height / screen.height);
  const width = screen.width * scale;
  const height = screen.height * scale;
  return { x: Math.max(0, (room.width - width) / 2), y: Math.max(0, (room.height - height) / 2), width, height };
}

/** The desktop pixel under `point`, in the same coordinates as `picture`; a point outside means the nearest pixel of the edge. */
export function screenPoint(point: Point, picture: Box, screen: Size): Point {
  return {
    x: toPixel((point.x - picture.x) / picture.width, screen.width),
    y: toPixel((point.y - picture.y) / picture.height, screen.height),
  };
}

/** Where in a picture of `picture` CSS pixels a desktop pixel is shown. */
export function picturePoint(pixel: Point, picture: Size, screen: Size): Point {
  if (isEmpty(screen)) return { x: 0, y: 0 };
  return { x: (pixel.x / screen.width) * picture.width, y: (pixel.y / screen.height) * picture.height };
}

function toPixel(ratio: number, pixels: number): number {
  if (!Number.isFinite(ratio)) return 0;
  return Math.max(0, Math.min(pixels - 1, Math.floor(ratio * pixels)));
}

function isEmpty(size: Size): boolean {
  return size.width <= 0 || size.height <= 0;
}
