// Restate's door: the queue as the API needs it.

import { Pool } from 'undici';
import { PLAYER } from './player.mjs';

const HEADERS = { 'content-type': 'application/json' };
const ACCEPTED = 202;
const OK = 200;

/** Calls of the server that listens on this Unix socket. */
export class Ingress {
  #pool;

  constructor(socketPath, connections) {
    this.#pool = new Pool('http://restate', { socketPath, connections });
  }

  /** Resolves once the job is on disk. */
  async submit(job) {
    await this.#post(`/${PLAYER}/${encodeURIComponent(job.userId)}/apply/send`, job, ACCEPTED);
  }

  /** Resolves with the outcome, or with undefined if that does not come in time: the job is done all the same. */
  async submitAndWait(job, waitS) {
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, waitS * 1000)));
    const outcome = this.#post(`/${PLAYER}/${encodeURIComponent(job.userId)}/apply`, job, OK);
    try {
      return await Promise.race([outcome, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #post(path, job, expected) {
    const { statusCode, body } = await this.#pool.request({ method: 'POST', path, headers: HEADERS, body: JSON.stringify(job) });
    const answer = await body.json();
    if (statusCode !== expected) throw new Error(`Restate answered ${statusCode} ${JSON.stringify(answer)}`);
    return answer;
  }

  async close() {
    await this.#pool.close();
  }
}
