import { GatewayError } from '../errors.ts';

/** Counts one more until it is disposed of. @throws GatewayError TOO_MANY_REQUESTS beyond the limit */
export function count(counts: Map<string, number>, key: string, max: number): Disposable {
  const before = counts.get(key) ?? 0;
  if (before >= max) throw new GatewayError('TOO_MANY_REQUESTS', `${max} connections are open, as many as may be`);
  counts.set(key, before + 1);
  return {
    [Symbol.dispose]: () => {
      const now = (counts.get(key) ?? 0) - 1;
      if (now > 0) counts.set(key, now);
      else counts.delete(key);
    },
  };
}
