-- How long those who say that they live count as alive, whatever happens to this database's clock.

-- A worker says for how long it lives without another word. One that by now lives for longer has said so before the clock was
-- set back: it is not waited for, and says so anew if it lives. (Workers from before this migration do not say how long.)
ALTER TABLE workers ADD COLUMN ttl_ms integer NOT NULL DEFAULT 900000 CHECK (ttl_ms BETWEEN 1 AND 900000);
CREATE OR REPLACE VIEW live_workers AS
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
    expires_at timestamptz NOT NULL,
    CONSTRAINT readable_times CHECK (
        expires_at BETWEEN '4000-01-01 00:00:00+00 BC' AND '11000-01-01 00:00:00+00'
    )
);
GRANT SELECT, INSERT, UPDATE, DELETE ON api_replicas TO satchel_api;
GRANT INSERT (ttl_ms), UPDATE (ttl_ms) ON workers TO satchel_worker;
