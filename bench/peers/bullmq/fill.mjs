// Fills the BullMQ queue: `node bullmq/fill.mjs JOBS`.

import { once } from '../service/lifecycle.mjs';
import { fill, wanted } from '../service/load.mjs';
import { redisUrl } from '../service/settings.mjs';
import { bulkEntry, openQueue, openRedis } from './queue.mjs';

const BATCH_JOBS = 1000;

await once('bullmq fill', 'filled', async () => {
  const total = wanted();
  const connection = await openRedis(redisUrl());
  const queue = openQueue(connection);
  await fill(total, BATCH_JOBS, (jobs) => queue.addBulk(jobs.map(bulkEntry)));
  await queue.close();
  await connection.quit();
});
