import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

const SECRET_BYTES = 32;
/** No 0, 1, l or o, so that an id can be read aloud. */
const ID_ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
/** 12 of 32 letters are 60 bits: not to be guessed, though an id alone opens nothing. */
const ID_LENGTH = 12;

/** 64 hex digits: an agent's key, the admin token, a tunnel's ticket. */
export function newHexSecret(): string {
  return randomBytes(SECRET_BYTES).toString('hex');
}

/** 43 characters that may stand in a URL's fragment and in a WebSocket subprotocol as they are. */
export function newAccessToken(): string {
  return randomBytes(SECRET_BYTES).toString('base64url');
}

/**
 * What is kept of a secret. A fast hash is right here: our secrets are 256 random bits, which no guessing gets through,
 * while a slow one, as passwords need, would cost its time at every WebSocket that is opened.
 */
export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret, 'utf8').digest('hex');
}

/** Compares in a time that tells nothing: both sides are hashed to one length first. */
export function isSecret(presented: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashSecret(presented), 'hex'), Buffer.from(hash, 'hex'));
}

export function newSessionId(): string {
  return `s-${randomLetters()}`;
}

export function newAccessId(): string {
  return `a-${randomLetters()}`;
}

function randomLetters(): string {
  return Array.from({ length: ID_LENGTH }, () => ID_ALPHABET[randomInt(ID_ALPHABET.length)]).join('');
}
