-- Jobs withdrawn before they were decided, and delayed jobs of the journal in the order of their time.

-- A copy of a withdrawn job may still wait in the queue until it is due, and is refused by the job's row in `jobs`: so
-- long that row is kept.
CREATE TABLE withdrawals (
    job_id uuid PRIMARY KEY,
    withdrawn_by text NOT NULL,
    request_id text NOT NULL,
    withdrawn_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    keep_until timestamptz NOT NULL
);
GRANT SELECT, INSERT ON withdrawals TO satchel_app;

ALTER TABLE archived_jobs DROP CONSTRAINT archived_jobs_reason_check;
ALTER TABLE archived_jobs ADD CONSTRAINT archived_jobs_reason_check
    CHECK (reason IN ('removed', 'expired', 'withdrawn'));

CREATE OR REPLACE FUNCTION forget_jobs(
    retention_days integer, max_pages integer, OUT removed bigint, OUT at_end boolean
)
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
    WITH gone AS (
        DELETE FROM jobs
        WHERE ctid >= format('(%s,0)', first_page)::tid
          AND ctid < format('(%s,0)', end_page)::tid
          AND applied_at < now() - make_interval(days => retention_days)
          AND NOT EXISTS (
              SELECT FROM withdrawals WHERE withdrawals.job_id = jobs.job_id AND keep_until > now()
          )
        RETURNING job_id
    ), forgotten AS (
        DELETE FROM withdrawals WHERE job_id IN (SELECT job_id FROM gone)
    )
    SELECT count(*) INTO removed FROM gone;
    at_end := end_page >= pages;
    UPDATE jobs_retention SET next_page = CASE WHEN at_end THEN 0 ELSE end_page END;
END
$$;

CREATE INDEX journal_delayed_by_user ON journal (user_id, not_before) WHERE not_before IS NOT NULL;
