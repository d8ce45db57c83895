-- Jobs that wait in Postgres, and what became of those that no worker decided. What waits is signed as entries of the queue are:
-- `mac` is HMAC-SHA256 by SATCHEL_ENVELOPE_KEY over envelope_version and body, and workers apply nothing else. Bodies may have
-- twice what the API ever writes (MAX_BODY_BYTES): whoever reads a row that is none of ours has room for it.

-- Accepted jobs that Postgres keeps until they are decided or parked (SATCHEL_JOURNAL=postgres).
CREATE SEQUENCE journal_seq;
CREATE TABLE journal (
    job_id uuid NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    shard integer NOT NULL,
    -- The order accepted.
    seq bigint NOT NULL CHECK (seq < 4611686018427387904),
    type text NOT NULL,
    payload_hash bytea NOT NULL CHECK (octet_length(payload_hash) = 32),
    actor text NOT NULL,
    submitted_at timestamptz NOT NULL,
    -- If the job is delayed, until when.
    not_before timestamptz,
    envelope_version integer NOT NULL,
    body text NOT NULL CHECK (octet_length(body) <= 262144),
    mac bytea NOT NULL CHECK (octet_length(mac) = 32),
    accepted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When it was last put into the queue again.
    refed_at timestamptz,
    PRIMARY KEY (job_id, shard)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX journal_by_user ON journal (user_id, seq);
CREATE INDEX journal_by_shard ON journal (shard, seq) WHERE not_before IS NULL;
CREATE INDEX journal_delayed ON journal (shard, not_before) WHERE not_before IS NOT NULL;
CREATE INDEX journal_delayed_by_user ON journal (user_id, not_before) WHERE not_before IS NOT NULL;

-- Takes jobs back that this very transaction has added to the journal.
CREATE FUNCTION take_back_journaled(of_jobs uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM journal WHERE job_id = ANY(of_jobs) AND xmin = pg_current_xact_id()::xid
$$;

-- Jobs that failed, and the later ones of their users. A user's first one (lowest position) is retrying or parked,
-- the others are blocked behind it, in order.
CREATE TABLE parked_jobs (
    user_id text COLLATE "C" NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    job_id uuid NOT NULL,
    shard integer NOT NULL CHECK (shard BETWEEN 0 AND 65535),
    state text NOT NULL CHECK (state IN ('retrying', 'parked', 'blocked')),
    type text NOT NULL,
    payload_hash bytea NOT NULL CHECK (octet_length(payload_hash) = 32),
    actor text NOT NULL,
    request_id text NOT NULL,
    submitted_at timestamptz NOT NULL,
    envelope_version integer NOT NULL,
    body json NOT NULL CHECK (octet_length(body::text) <= 262144),
    mac bytea NOT NULL CHECK (octet_length(mac) = 32),
    -- Attempts that failed, in all and since an operator last retried the job.
    attempts integer NOT NULL CHECK (attempts >= 0),
    tries integer NOT NULL CHECK (tries >= 0),
    -- The newest failures, each {"at", "error"}, oldest first.
    failures jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(failures) = 'array'),
    next_attempt_at timestamptz CHECK ((state = 'retrying') = (next_attempt_at IS NOT NULL)),
    parked_at timestamptz CHECK ((state = 'parked') = (parked_at IS NOT NULL)),
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (user_id, position, shard),
    UNIQUE (job_id, shard)
) WITH (fillfactor = 80);
CREATE INDEX parked_jobs_due ON parked_jobs (shard, next_attempt_at) WHERE state = 'retrying';
CREATE INDEX parked_jobs_failed ON parked_jobs (parked_at, job_id) WHERE state = 'parked';
CREATE INDEX parked_jobs_by_shard ON parked_jobs (shard, state, added_at);

-- Parked jobs that an operator removed, that were withdrawn, or that stayed parked beyond their retention.
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
    reason text NOT NULL CHECK (reason IN ('removed', 'expired', 'withdrawn')),
    -- The same id may come again when the job's record has been forgotten.
    PRIMARY KEY (job_id, archived_at, shard)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON archived_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE archived_jobs ENABLE ALWAYS TRIGGER append_only;

-- Jobs withdrawn before they were decided. A copy may still wait in the queue until it is due, and is refused by the job's
-- record: so long that record is kept.
CREATE TABLE withdrawals (
    job_id uuid NOT NULL,
    shard integer NOT NULL,
    withdrawn_by text NOT NULL,
    request_id text NOT NULL,
    withdrawn_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    keep_until timestamptz NOT NULL,
    PRIMARY KEY (job_id, shard)
);

-- Queue entries that could not be trusted or read, kept as they were for an operator.
CREATE TABLE quarantined_entries (
    shard integer NOT NULL,
    entry_id text NOT NULL,
    -- SHA-256 of the body: entry ids come again when a Redis starts empty.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    reason text NOT NULL,
    body bytea NOT NULL,
    body_bytes bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard, entry_id, digest)
);
