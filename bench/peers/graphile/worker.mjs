// Applies the jobs of the graphile-worker queue.

import { Logger, run } from 'graphile-worker';
import { batches } from '../service/batches.mjs';
import { apply } from '../service/inventory.mjs';
import { serve } from '../service/lifecycle.mjs';
import { Pipelines, openPool } from '../service/postgres.mjs';
import { count, postgresUrl } from '../service/settings.mjs';
import { OUTCOMES, TASK } from './queue.mjs';

const quiet = new Logger(() => (level, message) => {
  if (level === 'error' || level === 'warning') console.error(`graphile-worker: ${message}`);
});

const LOCAL_QUEUE_JOBS = 5000;
const BATCH_DELAY_MS = 100;

// One call at a time, as with adding jobs: notifying transactions commit one after the other.
const TELLING = { maxBatchEntries: 500, maxBatchesUnderWay: 1 };

// Each outcome is a notification of its own: they hold less than 8,000 bytes, and a reward has up to 50 items.
const TELL = { name: 'tell', text: 'SELECT pg_notify($1, outcome) FROM unnest($2::text[]) AS outcome' };

await serve('graphile worker', async () => {
  const concurrentJobs = count('CONCURRENCY', 256);
  const pool = await openPool(postgresUrl(), concurrentJobs + 2);
  const postgres = await Pipelines.open(postgresUrl(), count('PG_CONNECTIONS', 16));
  const tell = batches((outcomes) => pool.query({ ...TELL, values: [OUTCOMES, outcomes] }), TELLING);
  const task = async ({ waited, ...job }) => {
    const outcome = await apply(postgres, job);
    if (waited) await tell(JSON.stringify({ jobId: job.jobId, ...outcome }));
  };
  const runner = await run({
    pgPool: pool,
    noHandleSignals: true,
    taskList: { [TASK]: task },
    preset: {
      worker: {
        logger: quiet,
        concurrentJobs,
        localQueue: { size: LOCAL_QUEUE_JOBS },
        completeJobBatchDelay: BATCH_DELAY_MS,
        failJobBatchDelay: BATCH_DELAY_MS,
      },
    },
  });
  return async () => {
    await runner.stop();
    await postgres.end();
    await pool.end();
  };
});
