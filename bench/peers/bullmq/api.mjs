// Fastify in front of the BullMQ queue.

import { listen } from '../service/api.mjs';
import { serve } from '../service/lifecycle.mjs';
import { openPool } from '../service/postgres.mjs';
import { count, port, postgresUrl, redisUrl, tokens } from '../service/settings.mjs';
import { JobQueue, openRedis } from './queue.mjs';

await serve('bullmq api', async () => {
  const pool = await openPool(postgresUrl(), count('PG_POOL', 8));
  const queue = new JobQueue(await openRedis(redisUrl()));
  const app = await listen({ pool, queue, port: port(), tokens: tokens() });
  return async () => {
    await app.close();
    await queue.close();
    await pool.end();
  };
});
