// The load that a queue is filled with: half rewards, half uses, of 10,000 users and 4 items.

import { newJobId } from './job-id.mjs';

export const USERS = 10_000;
export const ITEMS = ['gold', 'potion', 'arrow', 'gem'];
export const STOCK_EACH = 1_000_000_000;

const below = (limit) => Math.floor(Math.random() * limit);

/** The n-th job: rewards and uses by turns, of a user and an item drawn anew, so that neighbours seldom share a row. */
function job(n) {
  const userId = `u${below(USERS)}`;
  const itemId = ITEMS[below(ITEMS.length)];
  return n % 2 === 0
    ? { jobId: newJobId(), type: 'reward_inventory_item', userId, items: [{ itemId, quantity: 1 }] }
    : { jobId: newJobId(), type: 'use_item', userId, itemId, quantity: 1 };
}

/** Calls `send(jobs)` with `total` jobs in batches. */
export async function fill(total, batchJobs, send) {
  for (let first = 0; first < total; first += batchJobs) {
    await send(Array.from({ length: Math.min(batchJobs, total - first) }, (_, n) => job(first + n)));
  }
}

/** The number of jobs from the command line. */
export function wanted() {
  const total = Number(process.argv[2]);
  if (!Number.isSafeInteger(total) || total < 1) throw new Error('usage: fill.mjs JOBS');
  return total;
}
