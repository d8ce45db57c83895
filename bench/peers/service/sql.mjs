// All SQL of the service. A job is one statement, hence one transaction: a second delivery of the job fails on
// jobs_pkey, which undoes all that the statement did, so no delivery counts twice, however they overlap. (ON CONFLICT
// DO NOTHING would not do for a use: whether it is applied is only known once the stock was changed.) The ledger's seq
// is drawn while the inventory row is locked, so that balances follow each other in its order.

import { readFileSync } from 'node:fs';

/** A statement that is prepared once for each connection. Its text is a file: the peer in Rust has the same ones. */
const statement = (name) => ({ name, text: readFileSync(new URL(`sql/${name}.sql`, import.meta.url), 'utf8') });

export const SCHEMA = `
CREATE TABLE inventory (
    user_id text COLLATE "C" NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0),
    PRIMARY KEY (user_id, item_id)
) WITH (fillfactor = 80);

CREATE TABLE jobs (
    job_id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    status text NOT NULL CHECK (status IN ('applied', 'rejected')),
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE ledger (
    user_id text COLLATE "C" NOT NULL,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    job_id uuid NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    delta bigint NOT NULL CHECK (delta <> 0),
    balance bigint NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (user_id, seq)
);`;

/** The stock that uses are taken from: $1 users u0…, $2 items, $3 of each; one job per user. */
export const STOCK = `
WITH stock AS (
    SELECT 'u' || n AS user_id, gen_random_uuid() AS job_id FROM generate_series(0, $1::integer - 1) AS n
), job AS (
    INSERT INTO jobs (job_id, user_id, status) SELECT job_id, user_id, 'applied' FROM stock
), held AS (
    INSERT INTO inventory (user_id, item_id, quantity)
    SELECT user_id, item_id, $3::bigint FROM stock, unnest($2::text[]) AS item_id
)
INSERT INTO ledger (user_id, job_id, item_id, delta, balance)
SELECT user_id, job_id, item_id, $3::bigint, $3::bigint FROM stock, unnest($2::text[]) AS item_id`;

/** $1 job, $2 user, $3 items, $4 their quantities. Rows are locked in the order of their items: no deadlocks. */
export const REWARD = statement('reward');

/** $1 job, $2 user, $3 item, $4 quantity. No row comes back if the stock is too small: recorded as rejected. */
export const USE = statement('use');

/** What a job that was delivered before came to: a row per ledger entry, or one with its status alone. */
export const RECORDED = statement('recorded');

export const INVENTORY = statement('inventory');
