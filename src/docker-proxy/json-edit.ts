import { parseTree, type Node, type ParseError } from 'jsonc-parser';

/** One byte of the text a character, so that nothing that isn't edited can change, invalid UTF-8 and big numbers included. */
const BYTES = 'latin1';
/** What each tree was parsed from, by its root. */
const TEXTS = new WeakMap<Node, string>();

interface Member {
  key: string;
  value: Node;
  /** With its key. */
  whole: Node;
}

/** A JSON text with edits by place: what isn't named stays byte for byte, with unknown and double fields and numbers beyond 2^53. */
export class JsonEdit {
  readonly #text: string;
  readonly root: Node;
  #edits: { start: number; end: number; text: string }[] = [];

  private constructor(text: string, root: Node) {
    this.#text = text;
    this.root = root;
  }

  /** @returns undefined for what is no JSON */
  static parse(body: Buffer): JsonEdit | undefined {
    const text = body.toString(BYTES);
    const errors: ParseError[] = [];
    const root = parseTree(text, errors, { disallowComments: true });
    if (root === undefined || errors.length > 0) return undefined;
    TEXTS.set(root, text);
    return new JsonEdit(text, root);
  }

  /** Replaces a value. */
  replace(node: Node, value: unknown): void {
    this.#edits.push({ start: node.offset, end: node.offset + node.length, text: toAscii(value) });
  }

  /** Adds a member at the end of an object. */
  add(object: Node, key: string, value: unknown): void {
    const end = object.offset + object.length - 1;
    const comma = (object.children ?? []).length > 0 ? ',' : '';
    this.#edits.push({ start: end, end, text: `${comma}${JSON.stringify(key)}:${toAscii(value)}` });
  }

  /** Takes members away, each with one comma. */
  remove(object: Node, isUnwanted: (key: string) => boolean): void {
    const all = membersOf(object);
    const kept = all.filter(({ key }) => !isUnwanted(key));
    if (kept.length === all.length) return;
    const text = kept.map(({ whole }) => this.#text.slice(whole.offset, whole.offset + whole.length)).join(',');
    this.#edits.push({ start: object.offset, end: object.offset + object.length, text: `{${text}}` });
  }

  toBuffer(): Buffer {
    let text = '';
    let at = 0;
    for (const edit of this.#edits.toSorted((a, b) => a.start - b.start || a.end - b.end)) {
      text += this.#text.slice(at, edit.start) + edit.text;
      at = edit.end;
    }
    return Buffer.from(text + this.#text.slice(at), BYTES);
  }
}

/** An object's members by a key as Go's decoder takes it: without regard to case, and all of them, for the last doesn't simply win. */
export function findMembers(object: Node | undefined, key: string): Node[] {
  return membersOf(object)
    .filter((member) => member.key.toLowerCase() === key.toLowerCase())
    .map(({ value }) => value);
}

/** In the order of the text. */
export function membersOf(object: Node | undefined): Member[] {
  if (object?.type !== 'object') return [];
  return (object.children ?? []).flatMap((whole) => {
    const [key, value] = whole.children ?? [];
    return key === undefined || value === undefined ? [] : [{ key: String(valueOf(key)), value, whole }];
  });
}

export function valueOf(node: Node | undefined): unknown {
  if (node === undefined) return undefined;
  let root = node;
  while (root.parent !== undefined) root = root.parent;
  // Out of the text, for a parser that takes bytes for characters can't tell UTF-8 from an escaped letter.
  const text = TEXTS.get(root) ?? '';
  return JSON.parse(decode(text.slice(node.offset, node.offset + node.length)));
}

function decode(text: string): string {
  return Buffer.from(text, BYTES).toString('utf8');
}

function toAscii(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
