-- Functions: what happens after.

-- How far each shard's events have been given to functions.
CREATE TABLE event_cursors (
    shard integer PRIMARY KEY,
    dispatched bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- The functions, as the workers that run them describe them.
CREATE TABLE functions (
    function_id text COLLATE "C" PRIMARY KEY,
    description json NOT NULL,
    -- When a worker last said that it runs it.
    seen_at timestamptz NOT NULL
);

CREATE TABLE function_runs (
    run_id uuid PRIMARY KEY,
    function_id text COLLATE "C" NOT NULL,
    -- For whom, where a function has several receivers of one event, e.g. webhook endpoints.
    target text COLLATE "C" NOT NULL,
    shard integer NOT NULL,
    event_seq bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    event_name text NOT NULL,
    -- The replay that made the run.
    replay_id uuid,
    status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'retrying', 'sleeping', 'succeeded', 'failed', 'cancelled')),
    -- Under which lease of its shard it was begun last.
    epoch bigint,
    -- Attempts begun in all; failed ones since the run was made or an operator last retried it.
    attempts integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    -- The newest failures, each {"at", "error"}, oldest first.
    failures jsonb NOT NULL DEFAULT '[]',
    -- An operator has asked for its end.
    is_cancelled boolean NOT NULL DEFAULT false,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
        CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

CREATE INDEX function_runs_due ON function_runs (function_id, due_at)
    WHERE status IN ('queued', 'retrying', 'sleeping');
CREATE INDEX function_runs_running ON function_runs (shard, function_id) WHERE status = 'running';
CREATE INDEX function_runs_unfinished ON function_runs (function_id, user_id, target, event_seq)
    WHERE finished_at IS NULL;
CREATE INDEX function_runs_listed ON function_runs (function_id, created_at, run_id);
CREATE INDEX function_runs_finished ON function_runs (finished_at) WHERE finished_at IS NOT NULL;

-- What steps of runs have resulted in. Written once.
CREATE TABLE function_steps (
    run_id uuid NOT NULL,
    -- SHA-256 of the step's id.
    step_hash bytea NOT NULL CHECK (octet_length(step_hash) = 32),
    -- Which use of that id in the run, counted from 0.
    nth integer NOT NULL CHECK (nth >= 0),
    step_id text NOT NULL,
    result json NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, step_hash, nth)
);

-- Until when functions with a limited rate have spent it: for all their runs (key ''), or for those with a key.
CREATE TABLE function_paces (
    function_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    spent_until timestamptz NOT NULL,
    PRIMARY KEY (function_id, key)
) WITH (fillfactor = 50);

-- Events that are given to a function again, shard by shard.
CREATE TABLE function_replays (
    replay_id uuid PRIMARY KEY,
    function_id text COLLATE "C" NOT NULL,
    event_name text,
    user_id text COLLATE "C",
    from_time timestamptz NOT NULL,
    to_time timestamptz NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE function_replay_shards (
    shard integer NOT NULL,
    replay_id uuid NOT NULL REFERENCES function_replays ON DELETE CASCADE,
    -- The next event to be given, and the first that is not.
    next_seq bigint NOT NULL,
    end_seq bigint NOT NULL,
    PRIMARY KEY (shard, replay_id)
);

GRANT SELECT, UPDATE (dispatched) ON event_cursors TO satchel_app;
GRANT SELECT, INSERT, UPDATE (description, seen_at) ON functions TO satchel_app;
GRANT SELECT, INSERT, DELETE,
    UPDATE (status, epoch, attempts, tries, failures, is_cancelled, due_at, finished_at) ON function_runs TO satchel_app;
GRANT SELECT, INSERT, DELETE ON function_steps TO satchel_app;
GRANT SELECT, INSERT, DELETE, UPDATE (spent_until) ON function_paces TO satchel_app;
GRANT SELECT, INSERT, DELETE ON function_replays TO satchel_app;
GRANT SELECT, INSERT, DELETE, UPDATE (next_seq) ON function_replay_shards TO satchel_app;

-- Forgets events that happened more than `retention_days` days ago, at most `max_events` of each shard, the oldest first:
-- but none that was not given to functions, nor any after one that an unfinished run is for. The service itself cannot
-- delete events, and through this none younger than a day.
-- `has_more`: some shard may have more.
CREATE FUNCTION forget_events(retention_days integer, max_events integer, OUT removed bigint, OUT has_more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    place record;
    lowest bigint;
    kept bigint;
    gone bigint;
BEGIN
    IF retention_days IS NULL OR retention_days < 1 THEN
        RAISE EXCEPTION 'events are kept for at least a day' USING ERRCODE = 'insufficient_privilege';
    END IF;
    removed := 0;
    has_more := false;
    FOR place IN SELECT shard, dispatched FROM event_cursors ORDER BY shard LOOP
        SELECT min(seq) INTO lowest FROM events WHERE shard = place.shard;
        CONTINUE WHEN lowest IS NULL;
        kept := LEAST(
            first_event_since(place.shard, now() - make_interval(days => retention_days)),
            place.dispatched + 1,
            (SELECT min(event_seq) FROM function_runs WHERE shard = place.shard AND finished_at IS NULL)
        );
        DELETE FROM events WHERE shard = place.shard AND seq < LEAST(kept, lowest + max_events);
        GET DIAGNOSTICS gone = ROW_COUNT;
        removed := removed + gone;
        has_more := has_more OR gone >= max_events;
    END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION forget_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_events TO satchel_app;

CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_change;
CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON function_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE function_steps ENABLE ALWAYS TRIGGER refuse_change;
