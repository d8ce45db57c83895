-- A flood of events clogs no function for good: operators pause it, see what waits, and end it in bulk; its own policy drops
-- what is too old.

ALTER TABLE functions
    -- No run begins on any worker. Whoever begins runs locks the row, and so does who changes this.
    ADD COLUMN is_paused boolean NOT NULL DEFAULT false,
    ADD COLUMN pause_changed_at timestamptz,
    ADD COLUMN pause_changed_by text,
    ADD COLUMN pause_reason text;
GRANT UPDATE (is_paused, pause_changed_at, pause_changed_by, pause_reason) ON functions TO satchel_app;

ALTER TABLE function_runs
    -- Why it was cancelled, if somebody or the function's policy has said so.
    ADD COLUMN cancel_reason text,
    -- NULL unless an operator has had it go on: then the policy does not drop it for its age.
    ADD COLUMN is_wanted boolean CHECK (is_wanted);
GRANT UPDATE (cancel_reason, is_wanted) ON function_runs TO satchel_app;

-- How much of a function waits, for how long, and for what: counted, dropped and cancelled from here.
CREATE INDEX function_runs_of_status ON function_runs (function_id, status, created_at, run_id) WHERE finished_at IS NULL;
-- (It says of which functions they are.)
DROP INDEX function_runs_unfinished;
CREATE INDEX function_runs_unfinished ON function_runs (shard, event_seq) WHERE finished_at IS NULL;
