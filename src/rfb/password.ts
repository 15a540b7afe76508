// VNC authentication (RFC 6143, 7.2.2). Of a password, eight bytes count; it is kept from nobody who can read the network, so it only
// ever guards a link inside one host.
import { createCipheriv } from 'node:crypto';

const KEY_BYTES = 8;
const BLOCK_BYTES = 8;
/** With it every VNC server writes its passwords into files; from TigerVNC's common/rfb/obfuscate.cxx. */
const FILE_KEY = Buffer.from([23, 82, 107, 6, 35, 78, 88, 7]);

/** A client's answer to a server's challenge. */
export function answerChallenge(password: string, challenge: Uint8Array): Uint8Array {
  return encryptDes(keyOf(password), challenge);
}

/** The content of the file that Xvnc's `-rfbauth` names. */
export function encodePasswordFile(password: string): Uint8Array {
  return encryptDes(FILE_KEY, keyOf(password).subarray(0, BLOCK_BYTES));
}

function keyOf(password: string): Buffer {
  const key = Buffer.alloc(KEY_BYTES);
  key.write(password, 'latin1');
  return key;
}

/** DES takes the lowest bit of each byte of its key for parity; VNC's, the highest. */
function encryptDes(key: Buffer, blocks: Uint8Array): Uint8Array {
  const mirrored = Buffer.from(key.map(mirrorBits));
  // OpenSSL 3 has single DES among its legacy algorithms only; triple DES with one key three times over is the same.
  const cipher = createCipheriv('des-ede3-ecb', Buffer.concat([mirrored, mirrored, mirrored]), null);
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(blocks), cipher.final()]);
}

function mirrorBits(byte: number): number {
  let mirrored = 0;
  for (let bit = 0; bit < 8; bit += 1) mirrored |= ((byte >> bit) & 1) << (7 - bit);
  return mirrored;
}
