// The queue in Postgres.

import { batches } from '../service/batches.mjs';
import { Waiters } from '../service/waiters.mjs';

export const TASK = 'apply';
const ATTEMPTS = 5;

/** Where workers tell the outcomes that someone waits for. */
export const OUTCOMES = 'outcomes';

// One call at a time: each ends with a NOTIFY, and Postgres lets transactions that notify commit one after the other
// (async.c), so that requests wait for each other anyway. Better, then, that they wait for a call they share.
const BATCHING = { maxBatchEntries: 500, maxBatchesUnderWay: 1 };

const ADD_JOBS = {
  name: 'add_jobs',
  text: `
SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
    SELECT ROW('${TASK}', payload, NULL, NULL, ${ATTEMPTS}, NULL, NULL, NULL)::graphile_worker.job_spec
    FROM json_array_elements($1::json) AS payload
))`,
};

/** Adds jobs with one call. */
export const addJobs = (pool, jobs) => pool.query({ ...ADD_JOBS, values: [JSON.stringify(jobs)] });

/** The queue as the API needs it. */
export class JobQueue {
  #pool;
  #waiters = new Waiters();
  #listener;
  #add;

  constructor(pool) {
    this.#pool = pool;
    this.#add = batches((jobs) => addJobs(pool, jobs), BATCHING);
  }

  async submit(job) {
    await this.#add(job);
  }

  async submitAndWait(job, waitS) {
    await (this.#listener ??= this.#listen());
    const outcome = this.#waiters.outcome(job.jobId, waitS);
    await this.submit({ ...job, waited: true });
    return outcome;
  }

  async #listen() {
    const client = await this.#pool.connect();
    client.on('notification', ({ payload }) => {
      const { jobId, ...outcome } = JSON.parse(payload);
      this.#waiters.tell(jobId, outcome);
    });
    client.once('end', () => (this.#listener = undefined));
    await client.query(`LISTEN ${OUTCOMES}`);
    return client;
  }

  async close() {
    (await this.#listener)?.release(true);
  }
}
