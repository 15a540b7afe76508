import { GatewayError, messageOf } from '../../errors.ts';
import { eachLine } from './lines.ts';
import { PullLine } from './replies.ts';

export interface PullOptions {
  signal: AbortSignal;
  /** Told how far it is, once a second at most. */
  onProgress: (message: string) => void;
}

const PROGRESS_MS = 1000;

/** Reads what the daemon says of a pull, up to its end. @throws GatewayError IMAGE_MISSING, DISK_FULL */
export async function followPull(
  name: string,
  stream: NodeJS.ReadableStream,
  { signal, onProgress }: PullOptions,
): Promise<void> {
  const layers = new Map<string, { current: number; total: number }>();
  let toldAt = 0;
  try {
    for await (const text of eachLine(stream)) {
      const { success, data: line } = PullLine.safeParse(JSON.parse(text));
      if (!success) continue;
      if (line.error !== undefined) throw missing(name, line.error);
      const { current, total } = line.progressDetail ?? {};
      if (line.id !== undefined && current !== undefined && total !== undefined)
        layers.set(line.id, { current, total });
      if (performance.now() - toldAt < PROGRESS_MS) continue;
      toldAt = performance.now();
      onProgress(describe(name, [...layers.values()]));
    }
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof GatewayError) throw cause;
    throw missing(name, messageOf(cause), cause);
  }
}

/** Why an image can't be had, and the way out. */
export function missing(name: string, why: string, cause?: unknown): GatewayError {
  if (/no space left on device/i.test(why))
    return new GatewayError(
      'DISK_FULL',
      `the image ${name} does not fit on the disk of this host's Docker (${why}); free some`,
      { cause },
    );
  return new GatewayError(
    'IMAGE_MISSING',
    `the image ${name} is not on this host and can't be pulled: ${why.trim()}; check its name and this host's network, or bring it here with docker pull, docker load or docker build`,
    { cause },
  );
}

function describe(name: string, layers: { current: number; total: number }[]): string {
  const sum = (pick: (layer: { current: number; total: number }) => number): number =>
    Math.round(layers.reduce((all, layer) => all + pick(layer), 0) / 1e6);
  const total = sum((layer) => layer.total);
  return total === 0 ? `pulling ${name}` : `pulling ${name}: ${sum((layer) => layer.current)} of ${total} MB`;
}
