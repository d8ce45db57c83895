// Fastify in front of Restate.

import { listen } from '../service/api.mjs';
import { serve } from '../service/lifecycle.mjs';
import { openPool } from '../service/postgres.mjs';
import { count, ingressSocket, port, postgresUrl, tokens } from '../service/settings.mjs';
import { Ingress } from './ingress.mjs';

await serve('restate api', async () => {
  const pool = await openPool(postgresUrl(), count('PG_POOL', 8));
  const queue = new Ingress(ingressSocket(), count('INGRESS_CONNECTIONS', 128));
  const app = await listen({ pool, queue, port: port(), tokens: tokens() });
  return async () => {
    await app.close();
    await queue.close();
    await pool.end();
  };
});
