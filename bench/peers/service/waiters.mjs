// Requests that wait for the outcome of their job.

/** Keeps who waits for which job. */
export class Waiters {
  #waiting = new Map();

  /** A promise of the job's outcome; undefined if it does not come within `waitS` seconds. */
  outcome(jobId, waitS) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.tell(jobId, undefined), waitS * 1000);
      this.#waiting.set(jobId, { resolve, timer });
    });
  }

  /** Passes an outcome on if someone here waits for it. */
  tell(jobId, outcome) {
    const waiter = this.#waiting.get(jobId);
    if (!waiter) return;
    this.#waiting.delete(jobId);
    clearTimeout(waiter.timer);
    waiter.resolve(outcome);
  }
}
