// Fills the graphile-worker queue: `node graphile/fill.mjs JOBS`. Makes its schema if it is not there yet.

import { runMigrations } from 'graphile-worker';
import { once } from '../service/lifecycle.mjs';
import { fill, wanted } from '../service/load.mjs';
import { openPool } from '../service/postgres.mjs';
import { postgresUrl } from '../service/settings.mjs';
import { addJobs } from './queue.mjs';

const BATCH_JOBS = 1000;

await once('graphile fill', 'filled', async () => {
  const total = wanted();
  const pool = await openPool(postgresUrl(), 1);
  await runMigrations({ pgPool: pool });
  await fill(total, BATCH_JOBS, (jobs) => addJobs(pool, jobs));
  await pool.end();
});
