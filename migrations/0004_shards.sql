-- Shards, each a row in several tables, and the programs that serve them. `satchel migrate` adds the rows, as many as there are
-- to be shards. Rows that each batch or report updates have room on their page for the next versions (fillfactor).

-- A worker process and until when it counts as alive, by this database's clock.
CREATE TABLE workers (
    worker_id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Since when it has been alive without a gap: who was not seen for longer than that may just not be back yet.
    alive_since timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    -- For how long it lives without another word (SATCHEL_LEASE_TTL_MS is 10 minutes at most).
    ttl_ms integer NOT NULL DEFAULT 900000 CHECK (ttl_ms BETWEEN 1 AND 900000)
);

-- The workers that are alive. One that by now lives for longer than it says has said so before the clock was set back: no shard
-- waits for it, and it says so anew if it lives.
CREATE VIEW live_workers AS
SELECT worker_id, expires_at, started_at, alive_since
FROM workers
WHERE expires_at > clock_timestamp() AND expires_at <= clock_timestamp() + (ttl_ms + 1000) * interval '1 millisecond';

-- The APIs, and whether each keeps accepted jobs in the journal: while one is set to, all do.
CREATE TABLE api_replicas (
    replica_id uuid PRIMARY KEY,
    -- Its own setting.
    wants_journal boolean NOT NULL,
    -- What it does.
    journals boolean NOT NULL,
    ttl_ms integer NOT NULL CHECK (ttl_ms BETWEEN 1 AND 60000),
    expires_at timestamptz NOT NULL
);

-- Numbers that are counted on, here and in other tables, stay far from where bigint ends: below 2^62.

-- The number of rows is the number of shards. A shard is free when its owner is not a live worker.
CREATE TABLE shard_leases (
    shard integer PRIMARY KEY CHECK (shard >= 0),
    owner uuid,
    -- Rises with every change of owner: the fencing token that each batch transaction checks.
    epoch bigint NOT NULL DEFAULT 0 CHECK (epoch BETWEEN 0 AND 4611686018427387904)
);

-- How many jobs were decided, and how many events there are: the last one's seq. Every batch updates its shards' rows.
CREATE TABLE shard_counters (
    shard integer PRIMARY KEY,
    applied bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0,
    events bigint NOT NULL DEFAULT 0 CHECK (events BETWEEN 0 AND 4611686018427387904),
    last_event_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 10);

-- What the shard's worker reports. Apart from the counters, so that no batch waits for a report.
CREATE TABLE shard_activity (
    shard integer PRIMARY KEY,
    -- Jobs in the batch that is being applied.
    active integer NOT NULL DEFAULT 0,
    -- Which worker said so. One that was killed says no more: what it said last counts until another one has the shard.
    reported_by uuid,
    -- The counters' sum when the rate was taken last.
    sampled bigint NOT NULL DEFAULT 0,
    sampled_at timestamptz,
    per_second double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- What each shard of the queue has had at least: a time in the queue's own store, which only rises there, and which is noted
-- here once it is there. A queue that has an earlier one, or none, has forgotten what came since.
CREATE TABLE queue_watermarks (
    shard integer PRIMARY KEY,
    -- The time that the queue is known to have had; NULL if none.
    marked_at timestamptz,
    -- Nothing waited then that was accepted before; NULL if that is not known, since delayed jobs waited.
    waiting_since timestamptz,
    -- When it was last seen that the queue has forgotten something, and since when accepted jobs may be gone; NULL there:
    -- whatever waited.
    began_anew_at timestamptz,
    lost_since timestamptz
) WITH (fillfactor = 10);

-- How far each shard's events have been given to functions.
CREATE TABLE event_cursors (
    shard integer PRIMARY KEY,
    dispatched bigint NOT NULL DEFAULT 0 CHECK (dispatched BETWEEN 0 AND 4611686018427387904)
) WITH (fillfactor = 10);
