/** Bytes of one line: an event or a stage of a pull has a KiB, most of it labels. A longer one ends the stream. */
const LINE_MAX_CHARS = 1024 * 1024;

/** The lines of a stream of the daemon's, which are JSON; empty ones are left out. */
export async function* eachLine(stream: NodeJS.ReadableStream): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_MAX_CHARS) throw new Error(`a line is longer than ${LINE_MAX_CHARS} characters`);
    for (const line of lines) if (line.trim() !== '') yield line;
  }
}

/** What a container without a terminal wrote: frames of stream u8, 3 bytes unused, length u32 big-endian, text. */
export function logLinesOf(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    texts.push(bytes.toString('utf8', at + 8, end));
    at = end;
  }
  const lines = texts
    .join('')
    .split('\n')
    .map((line) => line.trimEnd());
  return lines.filter((line) => line !== '');
}
