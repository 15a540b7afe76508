import { assert, test } from 'vitest';
import { encodeXauthority, makeCookie } from './xauthority.ts';

test('the cookie file reads as Xau(3) says, for any host and display', () => {
  const cookie = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

  const file = encodeXauthority(cookie).toString('hex');

  const protocol = Buffer.from('MIT-MAGIC-COOKIE-1').toString('hex');
  assert.equal(file, `ffff000000000012${protocol}0010${cookie.toString('hex')}`);
});

test('every cookie is another one', () => {
  assert.notDeepEqual(makeCookie(), makeCookie());
});
