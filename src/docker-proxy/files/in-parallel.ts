/** So many at once that a far remote is kept busy. */
const TASKS_AT_ONCE = 32;

/** Each task has its own failures: none may reject. */
export async function inParallel<T>(items: readonly T[], task: (item: T) => Promise<unknown>): Promise<void> {
  const left = items.values();
  const work = async (): Promise<void> => {
    for (const item of left) await task(item);
  };
  await Promise.all(Array.from({ length: TASKS_AT_ONCE }, work));
}
