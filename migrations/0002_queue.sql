-- The queue engine: jobs that wait in Postgres, what operators did, counters, retention.

-- Whether jobs of this user are in parked_jobs: then nothing of theirs is applied from the queue.
ALTER TABLE users ADD COLUMN is_blocked boolean NOT NULL DEFAULT false;

-- Jobs that failed, and the later ones of their users. A user's first one (lowest position) is retrying or parked,
-- the others are blocked behind it, in order.
CREATE TABLE parked_jobs (
    user_id text COLLATE "C" NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    job_id uuid NOT NULL UNIQUE,
    shard integer NOT NULL,
    state text NOT NULL CHECK (state IN ('retrying', 'parked', 'blocked')),
    type text NOT NULL,
    payload_hash bytea NOT NULL CHECK (octet_length(payload_hash) = 32),
    actor text NOT NULL,
    request_id text NOT NULL,
    submitted_at timestamptz NOT NULL,
    envelope_version integer NOT NULL,
    body json NOT NULL,
    -- Attempts that failed, in all and since an operator last retried the job.
    attempts integer NOT NULL CHECK (attempts >= 0),
    tries integer NOT NULL CHECK (tries >= 0),
    -- The newest failures, each {"at", "error"}, oldest first.
    failures jsonb NOT NULL DEFAULT '[]',
    next_attempt_at timestamptz CHECK ((state = 'retrying') = (next_attempt_at IS NOT NULL)),
    parked_at timestamptz CHECK ((state = 'parked') = (parked_at IS NOT NULL)),
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, position)
) WITH (fillfactor = 80);

CREATE INDEX parked_jobs_due ON parked_jobs (shard, next_attempt_at) WHERE state = 'retrying';
CREATE INDEX parked_jobs_failed ON parked_jobs (parked_at, job_id) WHERE state = 'parked';
CREATE INDEX parked_jobs_by_shard ON parked_jobs (shard, state, added_at);

-- Jobs that an operator removed, or that stayed parked beyond their retention.
CREATE TABLE archived_jobs (
    job_id uuid NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    shard integer NOT NULL,
    type text NOT NULL,
    payload_hash bytea NOT NULL,
    actor text NOT NULL,
    request_id text NOT NULL,
    submitted_at timestamptz NOT NULL,
    envelope_version integer NOT NULL,
    body json NOT NULL,
    attempts integer NOT NULL,
    failures jsonb NOT NULL,
    added_at timestamptz NOT NULL,
    parked_at timestamptz NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    archived_by text NOT NULL,
    reason text NOT NULL CHECK (reason IN ('removed', 'expired')),
    -- The same id may come again when the job's record has been forgotten.
    PRIMARY KEY (job_id, archived_at)
);

-- What operators did to the queue.
CREATE TABLE operator_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    request_id text NOT NULL,
    action text NOT NULL,
    job_id uuid,
    detail json NOT NULL
);

-- One row: whether jobs are applied at all.
CREATE TABLE queue_state (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    is_paused boolean NOT NULL DEFAULT false,
    changed_at timestamptz,
    changed_by text,
    reason text
);
INSERT INTO queue_state DEFAULT VALUES;

-- One row per shard, as in shard_leases: how many jobs were decided. Every batch updates its shards' rows, so each
-- page keeps room for the next versions.
CREATE TABLE shard_counters (
    shard integer PRIMARY KEY,
    applied bigint NOT NULL DEFAULT 0,
    rejected bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- One row per shard: what its worker reports. Apart from the counters, so that no batch waits for a report.
CREATE TABLE shard_activity (
    shard integer PRIMARY KEY,
    -- Jobs in the batch that is being applied.
    active integer NOT NULL DEFAULT 0,
    -- The counters' sum when the rate was taken last.
    sampled bigint NOT NULL DEFAULT 0,
    sampled_at timestamptz,
    per_second double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- Accepted jobs that Postgres keeps until they are decided or parked (SATCHEL_JOURNAL=postgres).
CREATE SEQUENCE journal_seq;
CREATE TABLE journal (
    job_id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    shard integer NOT NULL,
    -- The order accepted.
    seq bigint NOT NULL,
    type text NOT NULL,
    payload_hash bytea NOT NULL CHECK (octet_length(payload_hash) = 32),
    actor text NOT NULL,
    submitted_at timestamptz NOT NULL,
    -- If the job is delayed, until when.
    not_before timestamptz,
    envelope_version integer NOT NULL,
    body text NOT NULL,
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When it was last put into the queue again.
    refed_at timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX journal_by_user ON journal (user_id, seq);
CREATE INDEX journal_by_shard ON journal (shard, seq) WHERE not_before IS NULL;
CREATE INDEX journal_delayed ON journal (shard, not_before) WHERE not_before IS NOT NULL;

-- Where the next look for jobs beyond their retention begins. Decided jobs lie on the table's pages roughly in order
-- of time, but freed pages are used again, so a BRIN index would soon name every page, and a B-tree would cost every
-- job. Instead the whole table is walked through, a few pages at a time.
CREATE TABLE jobs_retention (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    next_page bigint NOT NULL DEFAULT 0
);
INSERT INTO jobs_retention DEFAULT VALUES;

-- Forgets jobs decided more than `retention_days` days ago on the next `max_pages` pages of the table. The service
-- itself cannot delete jobs, and through this none that is younger than 90 days (MIN_JOB_RETENTION_DAYS).
-- `at_end`: the walk has reached the end of the table; the next one begins anew.
CREATE FUNCTION forget_jobs(retention_days integer, max_pages integer, OUT removed bigint, OUT at_end boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first_page bigint;
    end_page bigint;
    pages bigint := pg_relation_size('jobs') / current_setting('block_size')::bigint;
BEGIN
    IF retention_days IS NULL OR retention_days < 90 THEN
        RAISE EXCEPTION 'decided jobs are kept for at least 90 days' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT next_page INTO first_page FROM jobs_retention FOR UPDATE;
    IF first_page >= pages THEN
        first_page := 0;
    END IF;
    end_page := first_page + max_pages;
    DELETE FROM jobs
    WHERE ctid >= format('(%s,0)', first_page)::tid
      AND ctid < format('(%s,0)', end_page)::tid
      AND applied_at < now() - make_interval(days => retention_days);
    GET DIAGNOSTICS removed = ROW_COUNT;
    at_end := end_page >= pages;
    UPDATE jobs_retention SET next_page = CASE WHEN at_end THEN 0 ELSE end_page END;
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON archived_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE archived_jobs ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE operator_actions ENABLE ALWAYS TRIGGER append_only;

GRANT UPDATE (is_blocked) ON users TO satchel_app;
GRANT SELECT, INSERT, DELETE, UPDATE (state, attempts, tries, failures, next_attempt_at, parked_at)
    ON parked_jobs TO satchel_app;
GRANT SELECT, INSERT ON archived_jobs, operator_actions TO satchel_app;
GRANT SELECT, UPDATE (is_paused, changed_at, changed_by, reason) ON queue_state TO satchel_app;
GRANT SELECT, UPDATE (applied, rejected) ON shard_counters TO satchel_app;
GRANT SELECT, UPDATE (active, sampled, sampled_at, per_second) ON shard_activity TO satchel_app;
GRANT SELECT, INSERT, DELETE, UPDATE (refed_at) ON journal TO satchel_app;
GRANT USAGE ON SEQUENCE journal_seq TO satchel_app;
REVOKE EXECUTE ON FUNCTION forget_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_jobs TO satchel_app;
