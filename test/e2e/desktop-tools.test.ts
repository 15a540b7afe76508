// What a program can do at a real desktop beside pixels.
import assert from 'node:assert/strict';
import { test } from 'vitest';
import { z } from 'zod';
import { WindowList } from '../../src/protocol/tools.ts';
import { grant, openHouse, startDesktop, until, type House } from '../harness/house.ts';

test('a program sees the windows of a desktop, and which one keys go to', async () => {
  await using house = await openHouse();
  const sessionId = await startDesktop(house, ['xterm', '-T', 'Grüße']);
  const { token } = await grant(house, sessionId, 'viewer');

  const { windows } = await until(
    'the terminal has a window',
    async () => WindowList.parse(await get(house, `${sessionId}/windows`, token)),
    (answer) => answer.windows[0]?.isActive === true,
  );
  const focused = await get(house, `${sessionId}/windows/focused`, token);

  assert.equal(windows.length, 1);
  assert.deepEqual([windows[0]?.title, windows[0]?.class], ['Grüße', 'XTerm']);
  assert.ok((windows[0]?.width ?? 0) > 700);
  assert.deepEqual(focused, { window: windows[0] });
});

async function get(house: House, path: string, token: string): Promise<unknown> {
  const response = await fetch(`${house.gateway.url}/api/v1/sessions/${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  return z.unknown().parse(await response.json());
}
