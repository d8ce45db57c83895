-- What ends runs, has them go on, and forgets them.

-- Ends runs: at once those that wait, before their next step those that go on. How many.
CREATE FUNCTION cancel_runs(of_runs uuid[], why text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    their_shards integer[];
    ended bigint;
BEGIN
    their_shards := ARRAY(
        SELECT shard FROM function_runs WHERE run_id = ANY(of_runs) ORDER BY created_at, run_id FOR NO KEY UPDATE
    );
    -- The trigger that queues what was held behind them locks shards: here in order, as all others do.
    PERFORM FROM event_cursors WHERE shard = ANY(their_shards) ORDER BY shard FOR SHARE;
    UPDATE function_runs
    SET is_cancelled = true, cancel_reason = why,
        status = CASE WHEN status = 'running' THEN status ELSE 'cancelled' END,
        finished_at = CASE WHEN status = 'running' THEN NULL ELSE clock_timestamp() END
    WHERE run_id = ANY(of_runs) AND finished_at IS NULL;
    GET DIAGNOSTICS ended = ROW_COUNT;
    RETURN ended;
END
$$;

-- Has a run that failed or was cancelled go on; `false` if it is in another state.
CREATE FUNCTION retry_run(of_run uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    its_shard integer;
BEGIN
    SELECT shard INTO its_shard
    FROM function_runs
    WHERE run_id = of_run AND status IN ('failed', 'cancelled')
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- As for runs that are made: none ends while it is decided whether this one waits for it.
    PERFORM FROM event_cursors WHERE shard = its_shard FOR NO KEY UPDATE;
    UPDATE function_runs
    SET status = CASE WHEN is_ordered AND EXISTS (
            SELECT FROM function_runs AS other
            WHERE other.function_id = function_runs.function_id AND other.user_id = function_runs.user_id
              AND other.target = function_runs.target AND other.finished_at IS NULL AND other.is_ordered
              AND other.replay_id IS NOT DISTINCT FROM function_runs.replay_id
        ) THEN 'held' ELSE 'queued' END,
        tries = 0, is_cancelled = false, cancel_reason = NULL, is_wanted = true,
        due_at = clock_timestamp(), finished_at = NULL
    WHERE run_id = of_run;
    RETURN true;
END
$$;

-- Has a run begin from its first step again. The state that it was in, which it stays in if a worker is at it; NULL if there is
-- no such run.
CREATE FUNCTION redeliver_run(of_run uuid, of_function text, of_target text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    found_status text;
BEGIN
    SELECT status INTO found_status
    FROM function_runs
    WHERE run_id = of_run AND function_id = of_function AND target = of_target AND target <> ''
    FOR NO KEY UPDATE;
    IF found_status <> 'running' THEN
        DELETE FROM function_steps WHERE run_id = of_run;
        UPDATE function_runs
        SET status = 'queued', tries = 0, is_cancelled = false, cancel_reason = NULL, is_wanted = true,
            due_at = clock_timestamp(), finished_at = NULL
        WHERE run_id = of_run;
    END IF;
    RETURN found_status;
END
$$;

-- Fails runs whose function no worker has run for `retention_days` days, while others were there for `minutes`: nobody will
-- ever do them, and while they wait, their events are kept. How many.
CREATE FUNCTION give_up_runs(retention_days integer, minutes integer, why text, most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    given_up bigint;
BEGIN
    IF retention_days IS NULL OR retention_days < 1 OR minutes IS NULL THEN
        RAISE EXCEPTION 'runs are kept for at least a day' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE function_runs
    SET status = 'failed', finished_at = clock_timestamp(),
        failures = failures || jsonb_build_object('at', clock_timestamp(), 'error', why)
    WHERE run_id IN (
        SELECT run_id
        FROM function_runs
        WHERE finished_at IS NULL AND function_id IN (
            SELECT function_id FROM functions WHERE seen_at < now() - make_interval(days => retention_days)
        ) AND EXISTS (
            SELECT FROM live_workers WHERE alive_since < clock_timestamp() - make_interval(mins => minutes)
        )
        LIMIT most
        FOR NO KEY UPDATE SKIP LOCKED
    );
    GET DIAGNOSTICS given_up = ROW_COUNT;
    RETURN given_up;
END
$$;

-- Forgets runs that ended more than `retention_days` days ago, with their steps; how many.
CREATE FUNCTION forget_runs(retention_days integer, most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    forgotten bigint;
BEGIN
    IF retention_days IS NULL OR retention_days < 1 THEN
        RAISE EXCEPTION 'ended runs are kept for at least a day' USING ERRCODE = 'insufficient_privilege';
    END IF;
    WITH gone AS (
        DELETE FROM function_runs
        WHERE run_id IN (
            SELECT run_id
            FROM function_runs
            WHERE finished_at < now() - make_interval(days => retention_days)
            ORDER BY finished_at
            LIMIT most
            FOR UPDATE SKIP LOCKED
        )
        RETURNING run_id
    ), steps AS (
        DELETE FROM function_steps USING gone WHERE function_steps.run_id = gone.run_id
    )
    SELECT count(*) INTO forgotten FROM gone;
    RETURN forgotten;
END
$$;

-- Forgets rates of keys that have rested: without a row they are as good as new.
CREATE FUNCTION forget_paces(most bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM function_paces
    WHERE (function_id, key) IN (
        SELECT function_id, key
        FROM function_paces
        WHERE spent_until < clock_timestamp()
        LIMIT most
        FOR UPDATE SKIP LOCKED
    )
$$;
