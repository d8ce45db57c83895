// The HTTP API, the same for every queue behind it.

import Fastify from 'fastify';
import { authenticated, maySubmit, mayRead, registerTokens } from './access.mjs';
import { inventory } from './inventory.mjs';
import { newJobId } from './job-id.mjs';
import { accepted, ajvOptions, jobBody, userParams } from './job-schema.mjs';

const MAX_WAIT_S = 30;
const MAX_BODY_BYTES = 64 * 1024;
const PREFER_WAIT = /(?:^|,)\s*wait=(\d+)/;

const waitOf = ({ headers }) => Math.min(Number(PREFER_WAIT.exec(headers.prefer ?? '')?.[1] ?? 0), MAX_WAIT_S);

const refuse = (reply, status, detail) => reply.code(status).send({ status, detail });

async function submitJob(queue, request, reply) {
  if (!maySubmit(request, request.body)) return refuse(reply, 403, 'the token does not allow this job');
  const job = { jobId: newJobId(), ...request.body };
  const waitS = waitOf(request);
  reply.header('location', `/api/v1/jobs/${job.jobId}`);
  if (waitS === 0) {
    await queue.submit(job);
  } else {
    const outcome = await queue.submitAndWait(job, waitS);
    if (outcome) {
      reply.header('preference-applied', `wait=${waitS}`);
      return { jobId: job.jobId, type: job.type, userId: job.userId, ...outcome };
    }
  }
  return reply.code(202).send({ jobId: job.jobId, status: 'queued' });
}

async function readInventory(pool, request, reply) {
  const { userId } = request.params;
  if (!mayRead(request, userId)) return refuse(reply, 403, 'the token does not allow this user');
  return { userId, items: await inventory(pool, userId) };
}

const submission = { onRequest: authenticated, schema: { body: jobBody, response: { 202: accepted } } };
const reading = { onRequest: authenticated, schema: { params: userParams } };

/**
 * Serves the API. `queue.submit(job)` resolves once the job is durably queued; `queue.submitAndWait(job, waitS)` with
 * the job's outcome, or with undefined if that does not come in time.
 */
export async function listen({ pool, queue, port, tokens }) {
  const app = Fastify({ logger: false, bodyLimit: MAX_BODY_BYTES, ajv: { customOptions: ajvOptions } });
  registerTokens(app, tokens);
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.post('/api/v1/jobs', submission, (request, reply) => submitJob(queue, request, reply));
  app.get('/api/v1/users/:userId/inventory', reading, (request, reply) => readInventory(pool, request, reply));
  await app.listen({ port, host: '127.0.0.1' });
  return app;
}
