import assert from 'node:assert/strict';
import sharp from 'sharp';
import { test } from 'vitest';
import { openSocketPair } from '../../../test/harness/socket-pair.ts';
import { textOf } from '../../websocket/frames.ts';
import { PictureHead } from '../../protocol/http-tunnel.ts';
import type { PictureRequest } from '../../computer/plan.ts';
import { PictureTunnel } from './picture-tunnel.ts';
import { Sight, type LookOptions } from './sight.ts';

const SCREEN = { width: 400, height: 300 };
const WHOLE: PictureRequest = { format: 'jpeg', quality: 85, region: undefined, size: SCREEN, ifChanged: undefined };
const OPTIONS: LookOptions = {
  screen: SCREEN,
  findPointer: async () => ({ x: 0, y: 0 }),
  signal: new AbortController().signal,
};

test('the picture of a screen at rest has also what changed too little to disturb it', async () => {
  await using screen = await openScreen((looks) => (looks === 1 ? '' : '.'));
  const { sight } = screen;

  const { picture, settled } = await sight.settle(
    { quietMs: 100, timeoutMs: 5000, tolerance: 0.01, request: WHOLE },
    OPTIONS,
  );

  assert.ok(picture.data === (await jpegOf('.', 85)).toString('base64'));
  assert.equal(settled.isQuiet, true);
  assert.equal(settled.changed.length, 1);
});

test('an unchanged screen is known again whatever the quality of its picture', async () => {
  await using screen = await openScreen(() => 'The quick brown fox jumps over the lazy dog');
  const { sight } = screen;
  const { hash } = await sight.take({ ...WHOLE, quality: 5 }, OPTIONS);
  await sight.take(WHOLE, OPTIONS);

  await sight.refuseIfChanged({ hash, region: undefined, tolerance: 0 }, OPTIONS);
  const { settled } = await sight.settle(
    { quietMs: 50, timeoutMs: 5000, tolerance: 0, request: { ...WHOLE, quality: 5 } },
    OPTIONS,
  );

  assert.deepEqual(settled.changed, []);
});

/** A screen that shows a text at each look, counted from 1. */
async function openScreen(textAt: (looks: number) => string): Promise<{ sight: Sight } & AsyncDisposable> {
  const pair = await openSocketPair();
  let looks = 0;
  pair.accepted.on('message', (frame) => {
    const { quality } = PictureHead.parse(JSON.parse(textOf(frame)));
    looks += 1;
    void jpegOf(textAt(looks), quality).then((jpeg) => {
      pair.accepted.send(JSON.stringify({ status: 200, headers: {} }));
      pair.accepted.send(jpeg);
      pair.accepted.send(Buffer.alloc(0));
    });
  });
  const sight = new Sight('s-1', new PictureTunnel(async () => pair.dialled));
  return { sight, [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose]() };
}

function jpegOf(text: string, quality: number): Promise<Buffer> {
  const { width, height } = SCREEN;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#fff"/>
    <text x="20" y="100" font-family="sans-serif" font-size="14">${text}</text></svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality }).toBuffer();
}
