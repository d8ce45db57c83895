// Fills Restate with calls to come: `node restate/fill.mjs JOBS`.

import { once } from '../service/lifecycle.mjs';
import { fill, wanted } from '../service/load.mjs';
import { ingressSocket } from '../service/settings.mjs';
import { Ingress } from './ingress.mjs';

const CONNECTIONS = 256; // one call each: there is none for many jobs

await once('restate fill', 'filled', async () => {
  const total = wanted();
  const ingress = new Ingress(ingressSocket(), CONNECTIONS);
  await fill(total, CONNECTIONS * 4, (jobs) => Promise.all(jobs.map((job) => ingress.submit(job))));
  await ingress.close();
});
