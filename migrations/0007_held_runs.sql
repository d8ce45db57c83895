-- Of a function that takes a user's events in order, one run at a time goes on for each user (and target, and replay): the
-- others are held, and the next one is queued when that one ends. So what waits for its turn is not looked at again and
-- again, however much it is.

ALTER TABLE function_runs
    -- As the function was when the run was made.
    ADD COLUMN is_ordered boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT function_runs_status_check,
    ADD CONSTRAINT function_runs_status_check CHECK (
        status IN ('queued', 'running', 'retrying', 'sleeping', 'held', 'succeeded', 'failed', 'cancelled')
    );

DROP INDEX function_runs_unfinished;
CREATE INDEX function_runs_in_order ON function_runs (function_id, user_id, target, event_seq)
    WHERE finished_at IS NULL AND is_ordered;
-- Which events are still needed; how many runs a function has left.
CREATE INDEX function_runs_unfinished ON function_runs (shard, event_seq) INCLUDE (function_id)
    WHERE finished_at IS NULL;

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

-- What was there before.
UPDATE function_runs
SET is_ordered = true
FROM functions
WHERE function_runs.function_id = functions.function_id AND finished_at IS NULL
  AND description -> 'policy' ->> 'ordered' = 'true';
UPDATE function_runs
SET status = 'held'
WHERE is_ordered AND status IN ('queued', 'retrying', 'sleeping') AND EXISTS (
    SELECT FROM function_runs AS earlier
    WHERE earlier.function_id = function_runs.function_id AND earlier.user_id = function_runs.user_id
      AND earlier.target = function_runs.target AND earlier.finished_at IS NULL AND earlier.is_ordered
      AND earlier.replay_id IS NOT DISTINCT FROM function_runs.replay_id AND earlier.event_seq < function_runs.event_seq
);
