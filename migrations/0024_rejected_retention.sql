-- Rejected jobs may be forgotten sooner than applied ones: who can only make jobs that are rejected makes rows that stay
-- for a while and no longer.

DROP FUNCTION forget_jobs(integer, integer);

-- Forgets jobs decided more than `retention_days` days ago, and rejected ones after `rejected_days`, on the next
-- `max_pages` pages of the table. The service itself cannot delete jobs, and through this none that is younger than 90
-- days (MIN_JOB_RETENTION_DAYS), or 35 if it was rejected (MIN_REJECTED_RETENTION_DAYS): no copy in the queue is that old.
-- What has an idempotency key, and so an id of version 8, stays as long as others: the key is remembered by its row.
-- `at_end`: the walk has reached the end of the table; the next one begins anew.
CREATE FUNCTION forget_jobs(
    retention_days integer, max_pages integer, rejected_days integer DEFAULT NULL, OUT removed bigint, OUT at_end boolean
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
    -- Workers from before this migration name none.
    rejected_days := coalesce(rejected_days, retention_days);
    IF rejected_days < 35 THEN
        RAISE EXCEPTION 'rejected jobs are kept for at least 35 days' USING ERRCODE = 'insufficient_privilege';
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
          AND (applied_at < now() - make_interval(days => retention_days)
              OR status = 'rejected' AND applied_at < now() - make_interval(days => rejected_days)
                  AND substr(job_id::text, 15, 1) = '7')
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
REVOKE EXECUTE ON FUNCTION forget_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_jobs TO satchel_app;
