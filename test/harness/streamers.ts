import { readEnvironment } from '../../src/config.ts';
import { findStreamer, type Streamer } from '../../src/neko/find.ts';

/** The streamers that this machine has: the embedded one, and neko where NEKO_BIN names one. */
export function listStreamers(): Streamer[] {
  const { nekoBin } = readEnvironment();
  const embedded = findStreamer({ nekoBin: undefined, path: '' });
  return nekoBin === undefined ? [embedded] : [embedded, findStreamer({ nekoBin, path: '' })];
}
