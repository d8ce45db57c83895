-- Since when a worker has been alive without a gap: who was not seen for longer than that may just not be back yet.
ALTER TABLE workers ADD COLUMN alive_since timestamptz NOT NULL DEFAULT clock_timestamp();

-- Which worker has begun a run last. It ends it, whoever has the shard by then; when it is gone, the shard's owner has it
-- begun anew.
ALTER TABLE function_runs ADD COLUMN worker_id uuid;
GRANT UPDATE (worker_id) ON function_runs TO satchel_app;

-- What failed, for whoever repairs it, among millions that did not.
CREATE INDEX function_runs_to_repair ON function_runs (function_id, created_at, run_id)
    WHERE status IN ('failed', 'cancelled');

-- Descriptions as workers have written them before.
UPDATE functions
SET description = (description::jsonb || jsonb_build_object('ordered', description -> 'policy' -> 'ordered'))::json
WHERE description -> 'policy' -> 'ordered' IS NOT NULL;
