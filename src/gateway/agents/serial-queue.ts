/** Tasks that may wait for the one that runs; a further one is not taken. */
const TASKS_MAX = 4096;

/** Runs tasks one after the other, in the order in which they came. */
export class SerialQueue {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** False when the queue is full. */
  add(task: () => Promise<void>, onError: (error: unknown) => void): boolean {
    if (this.#waiting >= TASKS_MAX) return false;
    this.#waiting += 1;
    this.#last = this.#last
      .then(task)
      .catch(onError)
      .finally(() => {
        this.#waiting -= 1;
      });
    return true;
  }

  /** Resolves once all that was added so far has run. */
  idle(): Promise<void> {
    return this.#last;
  }
}
