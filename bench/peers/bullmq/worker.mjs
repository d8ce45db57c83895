// Applies the jobs of the BullMQ queue.

import { Worker } from 'bullmq';
import { apply } from '../service/inventory.mjs';
import { serve } from '../service/lifecycle.mjs';
import { Pipelines } from '../service/postgres.mjs';
import { count, postgresUrl, redisUrl } from '../service/settings.mjs';
import { QUEUE, openRedis } from './queue.mjs';

await serve('bullmq worker', async () => {
  const concurrency = count('CONCURRENCY', 256);
  const postgres = await Pipelines.open(postgresUrl(), count('PG_CONNECTIONS', 16));
  const connection = await openRedis(redisUrl());
  const worker = new Worker(QUEUE, (job) => apply(postgres, job.data), { connection, concurrency });
  worker.on('error', (error) => console.error(`bullmq: ${error.message}`));
  worker.on('failed', (job, error) => console.error(`job ${job?.id}: ${error.message}`));
  await worker.waitUntilReady();
  return async () => {
    await worker.close();
    await connection.quit();
    await postgres.end();
  };
});
