-- Functions: what happens after events.

-- The functions, as the workers that run them describe them.
CREATE TABLE functions (
    function_id text COLLATE "C" PRIMARY KEY,
    description json NOT NULL,
    -- When a worker last said that it runs it.
    seen_at timestamptz NOT NULL,
    -- No run begins on any worker. Whoever begins runs locks the row, and so does who changes this.
    is_paused boolean NOT NULL DEFAULT false,
    pause_changed_at timestamptz,
    pause_changed_by text,
    pause_reason text
);

-- Of a function that takes a user's events in order, one run at a time goes on for each user (and target, and replay): the
-- others are held, and the next one is queued when that one ends. So what waits for its turn is not looked at again and
-- again, however much it is.
CREATE TABLE function_runs (
    run_id uuid NOT NULL,
    function_id text COLLATE "C" NOT NULL,
    -- For whom, where a function has several receivers of one event, e.g. webhook endpoints.
    target text COLLATE "C" NOT NULL,
    shard integer NOT NULL,
    event_seq bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    event_name text NOT NULL,
    -- The replay that made the run.
    replay_id uuid,
    -- As the function was when the run was made.
    is_ordered boolean NOT NULL DEFAULT false,
    status text NOT NULL DEFAULT 'queued' CHECK (
        status IN ('queued', 'running', 'retrying', 'sleeping', 'held', 'succeeded', 'failed', 'cancelled')
    ),
    -- Under which lease of its shard it was begun last.
    epoch bigint,
    -- Which worker has begun it last. It ends it, whoever has the shard by then; when it is gone, the shard's owner has it
    -- begun anew.
    worker_id uuid,
    -- Attempts begun in all; failed ones since the run was made or an operator last retried it.
    attempts integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    -- The newest failures, each {"at", "error"}, oldest first.
    failures jsonb NOT NULL DEFAULT '[]',
    -- An operator has asked for its end.
    is_cancelled boolean NOT NULL DEFAULT false,
    -- Why it was cancelled, if somebody or the function's policy has said so.
    cancel_reason text,
    -- NULL unless an operator has had it go on: then the policy does not drop it for its age.
    is_wanted boolean CHECK (is_wanted),
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
        CHECK ((status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    PRIMARY KEY (run_id, shard)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

-- What is due, of a function, and of a target of one.
CREATE INDEX function_runs_due ON function_runs (function_id, due_at)
    WHERE status IN ('queued', 'retrying', 'sleeping');
CREATE INDEX function_runs_due_of_target ON function_runs (function_id, target, due_at)
    WHERE target <> '' AND status IN ('queued', 'retrying', 'sleeping');
CREATE INDEX function_runs_running ON function_runs (shard, function_id) WHERE status = 'running';
-- What is to be held behind which run.
CREATE INDEX function_runs_in_order ON function_runs (function_id, user_id, target, event_seq)
    WHERE finished_at IS NULL AND is_ordered;
-- Which events are still needed.
CREATE INDEX function_runs_unfinished ON function_runs (shard, event_seq) WHERE finished_at IS NULL;
-- How much of a function waits, for how long, and for what: counted, dropped and cancelled from here.
CREATE INDEX function_runs_of_status ON function_runs (function_id, status, created_at, run_id) WHERE finished_at IS NULL;
-- Lists: of a function, of a target such as a webhook endpoint, and of what failed, for whoever repairs it, among millions that
-- did not.
CREATE INDEX function_runs_listed ON function_runs (function_id, created_at, run_id);
CREATE INDEX function_runs_of_target ON function_runs (function_id, target, created_at, run_id) WHERE target <> '';
CREATE INDEX function_runs_to_repair ON function_runs (function_id, created_at, run_id)
    WHERE status IN ('failed', 'cancelled');
-- What may be forgotten.
CREATE INDEX function_runs_finished ON function_runs (finished_at) WHERE finished_at IS NOT NULL;

-- Queues the next one. Whoever holds a run back has locked its shard's cursor exclusively until its commit: so either it
-- sees that nothing goes on any more, or this sees what it holds.
CREATE FUNCTION queue_held_run() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM event_cursors WHERE shard = NEW.shard FOR SHARE;
    UPDATE function_runs
    SET status = 'queued', due_at = clock_timestamp()
    WHERE run_id = (
        SELECT run_id
        FROM function_runs
        WHERE function_id = NEW.function_id AND user_id = NEW.user_id AND target = NEW.target
          AND finished_at IS NULL AND is_ordered AND status = 'held'
          AND replay_id IS NOT DISTINCT FROM NEW.replay_id
        ORDER BY event_seq
        LIMIT 1
        -- One that an operator cancels at this moment is passed over.
        FOR NO KEY UPDATE
    );
    RETURN NULL;
END
$$;
CREATE TRIGGER queue_held_run AFTER UPDATE OF status ON function_runs
    FOR EACH ROW WHEN (NEW.is_ordered AND NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL AND OLD.status <> 'held')
    EXECUTE FUNCTION queue_held_run();

-- What steps of runs have resulted in. Written once.
CREATE TABLE function_steps (
    run_id uuid NOT NULL,
    -- The run's.
    shard integer NOT NULL,
    -- SHA-256 of the step's id.
    step_hash bytea NOT NULL CHECK (octet_length(step_hash) = 32),
    -- Which use of that id in the run, counted from 0.
    nth integer NOT NULL CHECK (nth >= 0),
    step_id text NOT NULL,
    result json NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (run_id, step_hash, nth, shard)
);
CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON function_steps
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE function_steps ENABLE ALWAYS TRIGGER refuse_change;

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
    -- Whether events of quiet jobs are given as well.
    include_quiet boolean NOT NULL DEFAULT false,
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
