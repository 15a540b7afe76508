// What every bench shares: medians, a table of ratios, and the closing JSON line.

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) throw new Error('no values');
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new Error('no values');
  return value;
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}

/** The last line of a bench, for programs; a target that is missed makes the exit code 1. */
export function close(
  bench: string,
  figures: Record<string, number>,
  targets: Record<string, { value: number; max: number }>,
): void {
  const ok = Object.values(targets).every(({ value, max }) => value <= max);
  console.log(JSON.stringify({ bench, figures, targets, ok }));
  process.exitCode = ok ? 0 : 1;
}
