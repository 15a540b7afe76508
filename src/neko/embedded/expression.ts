// The arithmetic that neko's pipeline settings are written in: numbers, + - * /, brackets, round(), and the screen's
// `width`, `height` and `fps`. neko evaluates with a much larger language; nobody sizes a picture with more than this.

export type Values = Readonly<Record<'width' | 'height' | 'fps', number>>;

/** The value; undefined when `text` is no such expression, such as a plain word. */
export function evaluate(text: string, values: Values): number | undefined {
  const tokens = text.match(/\d+(?:\.\d+)?|[a-z]+|[-+*/()]|\S/gi) ?? [];
  const reader = new Reader(tokens, values);
  const value = reader.sum();
  return value !== undefined && reader.isAtEnd && Number.isFinite(value) ? value : undefined;
}

class Reader {
  readonly #tokens: readonly string[];
  readonly #values: Values;
  #at = 0;

  constructor(tokens: readonly string[], values: Values) {
    this.#tokens = tokens;
    this.#values = values;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#tokens.length;
  }

  sum(): number | undefined {
    let left = this.#product();
    for (;;) {
      if (left === undefined) return undefined;
      const sign = this.#take('+', '-');
      if (sign === undefined) return left;
      const right = this.#product();
      if (right === undefined) return undefined;
      left = sign === '+' ? left + right : left - right;
    }
  }

  #product(): number | undefined {
    let left = this.#factor();
    for (;;) {
      if (left === undefined) return undefined;
      const sign = this.#take('*', '/');
      if (sign === undefined) return left;
      const right = this.#factor();
      if (right === undefined) return undefined;
      left = sign === '*' ? left * right : left / right;
    }
  }

  #factor(): number | undefined {
    if (this.#take('-') !== undefined) {
      const value = this.#factor();
      return value === undefined ? undefined : -value;
    }
    if (this.#take('(') !== undefined) return this.#bracketed();
    if (this.#take('round') !== undefined) {
      const value = this.#take('(') === undefined ? undefined : this.#bracketed();
      return value === undefined ? undefined : Math.round(value);
    }
    const token = this.#tokens[this.#at] ?? '';
    this.#at += 1;
    if (token === 'width' || token === 'height' || token === 'fps') return this.#values[token];
    return /^\d/.test(token) ? Number(token) : undefined;
  }

  #bracketed(): number | undefined {
    const value = this.sum();
    return this.#take(')') === undefined ? undefined : value;
  }

  #take(...wanted: string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token === undefined || !wanted.includes(token)) return undefined;
    this.#at += 1;
    return token;
  }
}
