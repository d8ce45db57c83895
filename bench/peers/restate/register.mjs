// Tells Restate where its service is, which must run: `node restate/register.mjs`.

import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { once } from '../service/lifecycle.mjs';
import { adminSocket, count } from '../service/settings.mjs';

const HEADERS = { 'content-type': 'application/json' };
const PATIENCE_S = 60;

// A server that has just started lets nobody register yet.
async function register(admin, uri) {
  const request = { method: 'POST', path: '/deployments', headers: HEADERS, body: JSON.stringify({ uri }) };
  for (let second = 1; ; second += 1) {
    const { statusCode, body } = await admin.request(request);
    const answer = await body.text();
    if (statusCode < 300) return;
    if (second >= PATIENCE_S) throw new Error(`Restate answered ${statusCode} ${answer}`);
    await sleep(1000);
  }
}

await once('restate register', 'registered', async () => {
  const admin = new Pool('http://restate', { socketPath: adminSocket() });
  await register(admin, `http://127.0.0.1:${count('WORKER_PORT', 9080)}`);
  await admin.close();
});
