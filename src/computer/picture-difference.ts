import type { Region, Size } from './space.ts';

/** A picture's pixels, three bytes each, row by row. */
export interface Pixels extends Size {
  data: Uint8Array;
}

export interface Difference {
  /** The part of the looked-at pixels that differ, 0 to 1. */
  share: number;
  /** What holds all of them, apart by more than a cell; in the pictures' pixels. */
  rectangles: Region[];
}

/** By how much of 255 a channel has to differ: JPEG changes what is beside an edge by less. */
const NOTICED = 32;
/** Pixels that differ in the same square, or in adjacent ones, are one rectangle. */
const CELL_PX = 32;
/** With more there is one rectangle around all. */
const RECTANGLES_MAX = 16;

/** What differs between two pictures, or their region; all of it when they are not of one size. */
export function findDifference(before: Pixels, after: Pixels, region?: Region): Difference {
  const { width, height } = after;
  const area = region ?? { x: 0, y: 0, width, height };
  if (before.width !== width || before.height !== height) return { share: 1, rectangles: [area] };
  const columns = Math.ceil(width / CELL_PX);
  const cells = new Map<number, Region>();
  let count = 0;
  for (let y = area.y; y < area.y + area.height; y++) {
    for (let x = area.x; x < area.x + area.width; x++) {
      if (!differs(before.data, after.data, (y * width + x) * 3)) continue;
      count += 1;
      const cell = Math.floor(y / CELL_PX) * columns + Math.floor(x / CELL_PX);
      cells.set(cell, around(cells.get(cell), { x, y, width: 1, height: 1 }));
    }
  }
  return { share: count / (area.width * area.height), rectangles: join(cells, columns) };
}

function differs(before: Uint8Array, after: Uint8Array, at: number): boolean {
  for (let channel = at; channel < at + 3; channel++)
    if (Math.abs((before[channel] ?? 0) - (after[channel] ?? 0)) > NOTICED) return true;
  return false;
}

/** Each group of adjacent cells as one rectangle. */
function join(cells: Map<number, Region>, columns: number): Region[] {
  const rectangles: Region[] = [];
  const left = new Map(cells);
  for (const [first] of cells) {
    let rectangle: Region | undefined;
    const group = [first];
    for (let cell = group.pop(); cell !== undefined; cell = group.pop()) {
      const found = left.get(cell);
      if (!found) continue;
      left.delete(cell);
      rectangle = around(rectangle, found);
      group.push(...neighbours(cell, columns));
    }
    if (rectangle) rectangles.push(rectangle);
  }
  if (rectangles.length <= RECTANGLES_MAX) return rectangles;
  const all = rectangles.reduce((one, other) => around(one, other));
  return [all];
}

function neighbours(cell: number, columns: number): number[] {
  const column = cell % columns;
  const sides = [0, ...(column > 0 ? [-1] : []), ...(column < columns - 1 ? [1] : [])];
  return [-columns, 0, columns].flatMap((row) => sides.map((side) => cell + row + side));
}

function around(one: Region | undefined, other: Region): Region {
  if (!one) return other;
  const x = Math.min(one.x, other.x);
  const y = Math.min(one.y, other.y);
  const right = Math.max(one.x + one.width, other.x + other.width);
  const bottom = Math.max(one.y + one.height, other.y + other.height);
  return { x, y, width: right - x, height: bottom - y };
}
