// The queue in Redis.

import { Queue, QueueEvents } from 'bullmq';
import { Redis } from 'ioredis';
import { requireNative } from '../service/native.mjs';
import { Waiters } from '../service/waiters.mjs';

export const QUEUE = 'inventory';

const ATTEMPTS = 5;
const FIRST_RETRY_MS = 1000;
const MAX_RECONNECT_MS = 2000;
const RECONNECT_STEP_MS = 100;

const defaultJobOptions = {
  attempts: ATTEMPTS,
  backoff: { type: 'exponential', delay: FIRST_RETRY_MS },
  removeOnComplete: true, // what came of a job is in Postgres
};

/** A connection to Redis; refused if it cannot be reached now, and made again whenever it breaks later. */
export async function openRedis(url) {
  requireNative('msgpackr-extract'); // what BullMQ packs its scripts' arguments with
  let reached = false;
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null, // BullMQ's workers ask for it
    retryStrategy: (attempt) => (reached ? Math.min(attempt * RECONNECT_STEP_MS, MAX_RECONNECT_MS) : null),
  });
  let fault;
  redis.on('error', (error) => {
    fault = error;
    if (reached) console.error(`redis: ${error.message || error.code}`);
  });
  try {
    await redis.connect();
  } catch (cause) {
    throw new Error(`cannot reach Redis: ${(fault ?? cause).message || fault?.code}`, { cause });
  }
  reached = true;
  return redis;
}

/** What BullMQ is given for a job; the job's id is the queue's as well. */
export const bulkEntry = (job) => ({ name: job.type, data: job, opts: { jobId: job.jobId } });

export const openQueue = (connection) => new Queue(QUEUE, { connection, defaultJobOptions });

/** The queue as the API needs it. The events are read from the first request on that waits for an outcome. */
export class JobQueue {
  #queue;
  #connection;
  #events;
  #waiters = new Waiters();

  constructor(connection) {
    this.#connection = connection;
    this.#queue = openQueue(connection);
  }

  async submit(job) {
    await this.#queue.add(job.type, job, { jobId: job.jobId });
  }

  async submitAndWait(job, waitS) {
    await (this.#events ??= this.#listen());
    const outcome = this.#waiters.outcome(job.jobId, waitS);
    await this.submit(job);
    return outcome;
  }

  async #listen() {
    const events = new QueueEvents(QUEUE, { connection: this.#connection.duplicate() });
    events.on('completed', ({ jobId, returnvalue }) => this.#waiters.tell(jobId, returnvalue));
    await events.waitUntilReady();
    return events;
  }

  async close() {
    await (await this.#events)?.close();
    await this.#queue.close();
    await this.#connection.quit();
  }
}
