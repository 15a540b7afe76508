/** A body of the Docker API in bytes; moby's own authorisation path refuses longer ones than 4 MiB, and ours are a few KiB. */
const BODY_MAX_BYTES = 1024 * 1024;
/** Objects and lists in each other; the API's deepest has five. */
const DEPTH_MAX = 32;

/**
 * JSON as only one reader can understand it. Go reads keys without regard to case and takes the last of several, so whatever checks a
 * body with JSON.parse may see another one than the daemon does: keys that differ in case alone, or not at all, are refused.
 * @throws SyntaxError
 */
export function parseStrictJson(text: string): unknown {
  if (Buffer.byteLength(text) > BODY_MAX_BYTES)
    throw new SyntaxError(`the body is longer than ${BODY_MAX_BYTES} bytes`);
  const parsed: unknown = JSON.parse(text);
  // The text is known to be JSON from here on, so its tokens can be told apart by their first character.
  const seen: (Set<string> | undefined)[] = [];
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') {
      if (seen.push(token === '{' ? new Set() : undefined) > DEPTH_MAX)
        throw new SyntaxError(`the body is deeper than ${DEPTH_MAX}`);
    } else if (token === '}' || token === ']') seen.pop();
    else if (token.endsWith(':')) addKey(seen.at(-1), token);
  }
  return parsed;
}

function addKey(keys: Set<string> | undefined, token: string): void {
  const key: unknown = JSON.parse(token.slice(0, token.lastIndexOf('"') + 1));
  if (typeof key !== 'string' || !keys) throw new SyntaxError('a key outside an object');
  // As Go folds: "ſ" and "K" (Kelvin) count as s and k there.
  const folded = key.toUpperCase().toLowerCase();
  if (keys.has(folded)) throw new SyntaxError(`the key ${JSON.stringify(key)} is there twice`);
  keys.add(folded);
}
