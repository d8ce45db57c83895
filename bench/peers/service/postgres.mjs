// The connections to Postgres.

import pg from 'pg';

const BIGINT_OID = 20;

// Quantities, balances and ledger numbers stay far below 2^53.
pg.types.setTypeParser(BIGINT_OID, Number);

const report = (error) => console.error(`postgres: ${error.message || error.code}`);

const unreachable = (cause) => new Error(`cannot reach Postgres: ${cause.message || cause.code}`, { cause });

/** A pool of up to `max` connections, each with one query at a time; refused if Postgres cannot be reached now. */
export async function openPool(connectionString, max) {
  const pool = new pg.Pool({ connectionString, max, idleTimeoutMillis: 0 });
  pool.on('error', report);
  pool.on('connect', (client) => client.on('error', report));
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    throw unreachable(error);
  }
  return pool;
}

/**
 * Connections that take a query before the one before it is answered (pg's pipeline mode). Each query is a transaction
 * of its own, so one that fails spoils no other. A connection that broke is made again by the next query that needs it.
 */
export class Pipelines {
  #connectionString;
  #clients;
  #next = 0;

  constructor(connectionString, connections) {
    this.#connectionString = connectionString;
    this.#clients = new Array(connections).fill(undefined);
  }

  /** Opened; refused if Postgres cannot be reached now. */
  static async open(connectionString, connections) {
    const pipelines = new Pipelines(connectionString, connections);
    try {
      await Promise.all(pipelines.#clients.map((_, at) => pipelines.#client(at)));
    } catch (error) {
      throw unreachable(error);
    }
    return pipelines;
  }

  async query(query) {
    const at = this.#next;
    this.#next = (at + 1) % this.#clients.length;
    return (await this.#client(at)).query(query);
  }

  async end() {
    const clients = await Promise.allSettled(this.#clients);
    await Promise.all(clients.map(({ value }) => value?.end()));
  }

  #client(at) {
    return (this.#clients[at] ??= this.#connect(at));
  }

  async #connect(at) {
    const client = new pg.Client({ connectionString: this.#connectionString, pipeline: true });
    const drop = () => (this.#clients[at] = undefined);
    client.on('error', report);
    client.once('end', drop);
    try {
      await client.connect();
    } catch (error) {
      drop();
      throw error;
    }
    return client;
  }
}
