import { randomBytes } from 'node:crypto';

/** Matches every host and display, as `xauth generate` writes it; the display's number isn't known yet when the cookie must be there. */
const FAMILY_WILD = 0xffff;
const COOKIE_BYTES = 16;

/** A fresh MIT cookie. */
export function makeCookie(): Buffer {
  return randomBytes(COOKIE_BYTES);
}

/**
 * An MIT cookie as the content of an Xauthority file (Xau(3)): family u16, then address, display number, protocol name and cookie,
 * each with its length as u16; big-endian. Address and number are empty.
 */
export function encodeXauthority(cookie: Buffer): Buffer {
  const family = Buffer.alloc(2);
  family.writeUInt16BE(FAMILY_WILD);
  const fields = [Buffer.alloc(0), Buffer.alloc(0), Buffer.from('MIT-MAGIC-COOKIE-1'), cookie];
  return Buffer.concat([family, ...fields.flatMap((field) => [lengthOf(field), field])]);
}

function lengthOf(field: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(field.length);
  return length;
}
