// Fastify in front of the graphile-worker queue.

import { runMigrations } from 'graphile-worker';
import { listen } from '../service/api.mjs';
import { serve } from '../service/lifecycle.mjs';
import { openPool } from '../service/postgres.mjs';
import { count, port, postgresUrl, tokens } from '../service/settings.mjs';
import { JobQueue } from './queue.mjs';

await serve('graphile api', async () => {
  const pool = await openPool(postgresUrl(), count('PG_POOL', 8));
  await runMigrations({ pgPool: pool });
  const queue = new JobQueue(pool);
  const app = await listen({ pool, queue, port: port(), tokens: tokens() });
  return async () => {
    await app.close();
    await queue.close();
    await pool.end();
  };
});
