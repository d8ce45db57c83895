// The service that Restate calls.

import { createServer } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import './node20.mjs';
import { createEndpointHandler } from '@restatedev/restate-sdk';
import { serve } from '../service/lifecycle.mjs';
import { Pipelines } from '../service/postgres.mjs';
import { count, postgresUrl } from '../service/settings.mjs';
import { player } from './player.mjs';

// Without the two lines that it would write about each job.
const logger = ({ level }, ...words) => {
  if (level === 'warn' || level === 'error') console.error(`restate: ${words.join(' ')}`);
};

// Restate keeps its connections open. What is cut off is delivered again.
const GRACE_MS = 500;

await serve('restate worker', async () => {
  const postgres = await Pipelines.open(postgresUrl(), count('PG_CONNECTIONS', 16));
  const server = createServer(createEndpointHandler({ services: [player(postgres)], logger }));
  const sessions = new Set();
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(count('WORKER_PORT', 9080), '127.0.0.1', resolve);
  });
  return async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const session of sessions) session.close();
    await Promise.race([closed, sleep(GRACE_MS)]);
    for (const session of sessions) session.destroy();
    await closed;
    await postgres.end();
  };
});
