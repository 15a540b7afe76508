import { expect, test } from 'vitest';
import { picturePoint, placeScreen, screenPoint } from './geometry.ts';

const SCREEN = { width: 1280, height: 720 };

test('a desktop is centred between bars at the sides of a wide window', () => {
  expect(placeScreen({ width: 1000, height: 360 }, SCREEN, 'fit')).toEqual({ x: 180, y: 0, width: 640, height: 360 });
});

test('a desktop is centred between bars above and below in a narrow window', () => {
  expect(placeScreen({ width: 640, height: 960 }, SCREEN, 'fit')).toEqual({ x: 0, y: 300, width: 640, height: 360 });
});

test('unscaled, a desktop keeps its size and starts at the corner where it is larger than the window', () => {
  expect(placeScreen({ width: 640, height: 960 }, SCREEN, 'none')).toEqual({ x: 0, y: 120, width: 1280, height: 720 });
});

test('a window without room shows nothing and maps every point to the first pixel', () => {
  const picture = placeScreen({ width: 0, height: 300 }, SCREEN, 'fit');

  expect(picture).toEqual({ x: 0, y: 0, width: 0, height: 0 });
  expect(screenPoint({ x: 0, y: 0 }, picture, SCREEN)).toEqual({ x: 0, y: 0 });
});

test('a point on the picture is the desktop pixel that is seen there', () => {
  const picture = { x: 180, y: 0, width: 640, height: 360 };

  expect(screenPoint({ x: 180, y: 0 }, picture, SCREEN)).toEqual({ x: 0, y: 0 });
  expect(screenPoint({ x: 500, y: 180 }, picture, SCREEN)).toEqual({ x: 640, y: 360 });
  expect(screenPoint({ x: 819.9, y: 359.9 }, picture, SCREEN)).toEqual({ x: 1279, y: 719 });
});

test('a point beside the picture is the nearest pixel of its edge', () => {
  const picture = { x: 180, y: 0, width: 640, height: 360 };

  expect(screenPoint({ x: 0, y: 180 }, picture, SCREEN)).toEqual({ x: 0, y: 360 });
  expect(screenPoint({ x: 999, y: 9999 }, picture, SCREEN)).toEqual({ x: 1279, y: 719 });
});

test('every desktop pixel is shown where a pointer finds it again', () => {
  const picture = { x: 13, y: 7, width: 911.5, height: 512.7 };
  for (let x = 0; x < SCREEN.width; x += 37) {
    for (let y = 0; y < SCREEN.height; y += 41) {
      const shown = picturePoint({ x: x + 0.5, y: y + 0.5 }, picture, SCREEN);
      expect(screenPoint({ x: shown.x + picture.x, y: shown.y + picture.y }, picture, SCREEN)).toEqual({ x, y });
    }
  }
});
