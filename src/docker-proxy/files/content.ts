import { hash } from 'node:crypto';
import { ChangedMeanwhile, type OpenFile } from './side.ts';

const PIECE_BYTES = 32 * 1024;
/** Of one file: enough for a far remote, and a megabyte of memory for two. */
const PIECES_AT_ONCE = 16;

/** Afterwards `to` holds what `from` does. @throws ChangedMeanwhile when `from` became shorter; what writing says; the signal's reason */
export async function copyContent(from: OpenFile, to: OpenFile, signal: AbortSignal, sum?: Sum): Promise<void> {
  const size = await readPieces(from, signal, async (piece, position) => {
    sum?.take(piece, position);
    await to.write(piece, position);
  });
  await to.truncate(size);
  await to.close();
}

/** As `copyContent`. @returns the sum of what was copied, as `sumOf` */
export async function copyAndSum(from: OpenFile, to: OpenFile, signal: AbortSignal): Promise<string> {
  const sum = new Sum();
  await copyContent(from, to, signal, sum);
  return sum.toString();
}

/** The same for the same content, and for no other. @throws as `copyContent` */
export async function sumOf(file: OpenFile, signal: AbortSignal): Promise<string> {
  const sum = new Sum();
  await readPieces(file, signal, async (piece, position) => sum.take(piece, position));
  return sum.toString();
}

/** Pieces come in no order. */
class Sum {
  readonly #ofPieces: string[] = [];

  take(piece: Buffer, position: number): void {
    this.#ofPieces[position / PIECE_BYTES] = hash('sha256', piece);
  }

  toString(): string {
    return hash('sha256', this.#ofPieces.join());
  }
}

async function readPieces(
  file: OpenFile,
  signal: AbortSignal,
  onPiece: (piece: Buffer, position: number) => Promise<void>,
): Promise<number> {
  const size = await file.size();
  await inPieces(size, signal, async (piece, position) => {
    if ((await file.read(piece, position)) < piece.length) throw new ChangedMeanwhile();
    await onPiece(piece, position);
  });
  return size;
}

/** Resolves or rejects when no task is under way any more; the first that fails ends the others. */
async function inPieces(
  size: number,
  signal: AbortSignal,
  task: (piece: Buffer, position: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size));
    while (next < size && failures.length === 0) {
      const position = next;
      next += PIECE_BYTES;
      try {
        signal.throwIfAborted();
        await task(buffer.subarray(0, Math.min(PIECE_BYTES, size - position)), position);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(PIECES_AT_ONCE, Math.ceil(size / PIECE_BYTES)) }, work));
  if (failures.length > 0) throw failures[0];
}
