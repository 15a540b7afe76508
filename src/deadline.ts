/** setTimeout fires at once for anything longer; so a longer wait is cut into pieces. */
const TIMER_MAX_MS = 2_000_000_000;

/** Calls `onTime` when the clock says `at` (ISO 8601), never at once; returns what calls it off. */
export function callAt(at: string, onTime: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const leftMs = Date.parse(at) - Date.now();
    if (leftMs > 0) timer = setTimeout(arm, Math.min(leftMs, TIMER_MAX_MS));
    else onTime();
  };
  timer = setTimeout(arm, 0);
  return () => clearTimeout(timer);
}
