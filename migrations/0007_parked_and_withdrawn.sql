-- What becomes of jobs that wait in Postgres: they are tried again, given up, or withdrawn.

-- Lets the next job of each of these users go on, whose first one is gone: it is due at once; where none is left, the users
-- are not blocked any more. Whoever calls it has locked them.
CREATE FUNCTION let_next_go(of_users text[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    WITH first AS (
        SELECT wanted.user_id, first.job_id, first.state
        FROM UNNEST(of_users) AS wanted (user_id)
        LEFT JOIN LATERAL (
            SELECT job_id, state
            FROM parked_jobs
            WHERE parked_jobs.user_id = wanted.user_id
            ORDER BY position
            LIMIT 1
        ) AS first ON true
    ), let_go AS (
        -- As arrays, since a join would be made from the side of the larger table while that is empty.
        UPDATE parked_jobs
        SET state = 'retrying', next_attempt_at = clock_timestamp(), tries = 0
        WHERE job_id = ANY(ARRAY(SELECT job_id FROM first WHERE state = 'blocked'))
    )
    UPDATE users
    SET is_blocked = false
    FROM user_names
    WHERE user_names.user_id = ANY(ARRAY(SELECT user_id FROM first WHERE job_id IS NULL))
      AND users.shard = user_names.shard AND users.uid = user_names.uid AND is_blocked;
END
$$;

-- The parked jobs that fit, at most `most`, the oldest first, with their users locked. Users that are locked are passed over,
-- but for jobs that are named: for those it waits.
CREATE FUNCTION choose_parked_jobs(of_jobs uuid[], of_user text, of_type text, before timestamptz, most bigint)
RETURNS uuid[]
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    their_users text[];
    chosen uuid[];
    locked text[];
BEGIN
    IF most IS NULL OR most NOT BETWEEN 1 AND 1000 THEN
        RAISE EXCEPTION 'at most 1000 parked jobs at a time' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- The two differ in the index that finds the rows. That parked_at is set means the same as the state, but does not
    -- lead Postgres to read all parked jobs for a few ids.
    IF of_jobs IS NOT NULL THEN
        SELECT array_agg(user_id), array_agg(job_id) INTO their_users, chosen
        FROM (
            SELECT user_id, job_id
            FROM parked_jobs
            WHERE job_id = ANY(of_jobs)
              AND parked_at IS NOT NULL
              AND (of_user IS NULL OR user_id = of_user)
              AND (of_type IS NULL OR type = of_type)
              AND (before IS NULL OR parked_at < before)
            ORDER BY parked_at, job_id
            LIMIT most
        ) AS fitting;
        PERFORM
        FROM user_names
        JOIN users USING (shard, uid)
        WHERE user_names.user_id = ANY(their_users)
        ORDER BY users.shard, users.uid
        FOR NO KEY UPDATE OF users;
        RETURN chosen;
    END IF;
    SELECT array_agg(user_id), array_agg(job_id) INTO their_users, chosen
    FROM (
        SELECT user_id, job_id
        FROM parked_jobs
        WHERE state = 'parked'
          AND (of_user IS NULL OR user_id = of_user)
          AND (of_type IS NULL OR type = of_type)
          AND parked_at < COALESCE(before, 'infinity')
        ORDER BY parked_at, job_id
        LIMIT most
    ) AS fitting;
    locked := ARRAY(
        SELECT user_names.user_id
        FROM user_names
        JOIN users USING (shard, uid)
        WHERE user_names.user_id = ANY(their_users)
        ORDER BY users.shard, users.uid
        FOR NO KEY UPDATE OF users SKIP LOCKED
    );
    RETURN ARRAY(
        SELECT job_id
        FROM UNNEST(their_users, chosen) AS fitting (user_id, job_id)
        WHERE user_id = ANY(locked)
    );
END
$$;

-- Counts jobs that nobody decided as rejected and tells of them; the kinds: 0, and 1 for quiet ones. Otherwise as add_events.
CREATE FUNCTION add_rejections(
    shards integer[], counts bigint[], firsts integer[], uids bigint[], job_ids uuid[], kind_of smallint[]
) RETURNS void
LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT add_events(
        clock_timestamp(), shards, array_fill(0::bigint, ARRAY[cardinality(shards)]), counts, counts::integer[], firsts,
        array_fill('[["job/rejected",1],["job/rejected",1,true]]'::text, ARRAY[cardinality(shards)]), NULL,
        uids, job_ids, kind_of, NULL
    )
    WHERE cardinality(shards) > 0
$$;

-- Ends parked jobs, whose users are locked, as rejected with this result, keeps them in archived_jobs, tells of them, and lets
-- those behind them go on. Which have ended.
CREATE FUNCTION archive_parked_jobs(of_jobs uuid[], archiver text, why text, outcome json) RETURNS uuid[]
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    claimed uuid[];
    ended record;
BEGIN
    IF (outcome ->> 'code') IS DISTINCT FROM why THEN
        RAISE EXCEPTION 'a job that is archived as % ends so', why USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT claim_jobs(array_agg(job_id), array_agg(shard)) INTO claimed
    FROM parked_jobs
    WHERE job_id = ANY(of_jobs) AND parked_at IS NOT NULL;
    WITH gone AS (
        DELETE FROM parked_jobs WHERE job_id = ANY(of_jobs) AND parked_at IS NOT NULL RETURNING *
    ), archived AS (
        INSERT INTO archived_jobs (job_id, user_id, shard, type, payload_hash, actor, request_id, submitted_at,
                                   envelope_version, body, attempts, failures, added_at, parked_at,
                                   archived_by, reason)
        SELECT job_id, user_id, shard, type, payload_hash, actor, request_id, submitted_at,
               envelope_version, body, attempts, failures, added_at, parked_at, archiver, why
        FROM gone
    ), decided AS (
        INSERT INTO records (uid, seq, at, job_id, shard, count, is_rejected, body)
        SELECT users.uid, users.version, clock_timestamp(), job_id, users.shard, 0, true,
               undecided_body(gone.user_id, type, gone.body -> 'job' ->> 'reason', actor, request_id, submitted_at, attempts,
                              payload_hash, outcome)
        FROM gone
        JOIN user_names ON user_names.user_id = gone.user_id AND user_names.shard = gone.shard
        JOIN users ON users.shard = user_names.shard AND users.uid = user_names.uid
        WHERE job_id = ANY(claimed)
        ORDER BY job_id
        -- It cannot be there: a job that was decided is not in parked_jobs. If it is all the same, it stays as it is.
        ON CONFLICT (job_id, shard) WHERE job_id IS NOT NULL DO NOTHING
        RETURNING shard, uid, job_id
    ), told AS (
        SELECT decided.shard, uid, decided.job_id, position,
               CASE WHEN (body -> 'job' ->> 'quiet')::boolean THEN 1 ELSE 0 END::smallint AS kind
        FROM decided
        JOIN gone USING (job_id)
    ), counts AS (
        SELECT shard, count(*) AS jobs, sum(count(*)) OVER (ORDER BY shard) - count(*) + 1 AS first
        FROM told
        GROUP BY shard
    )
    SELECT (SELECT array_agg(user_id) FROM gone) AS users,
           (SELECT array_agg(job_id) FROM gone) AS jobs,
           array_agg(shard ORDER BY shard) AS shards,
           array_agg(jobs ORDER BY shard) AS counts,
           array_agg(first::integer ORDER BY shard) AS firsts,
           (SELECT array_agg(uid ORDER BY shard, position) FROM told) AS uids,
           (SELECT array_agg(job_id ORDER BY shard, position) FROM told) AS job_ids,
           (SELECT array_agg(kind ORDER BY shard, position) FROM told) AS kind_of
    INTO ended
    FROM counts;
    PERFORM add_rejections(ended.shards, ended.counts, ended.firsts, ended.uids, ended.job_ids, ended.kind_of);
    PERFORM let_next_go(ended.users);
    RETURN ended.jobs;
END
$$;

-- Parked jobs that fit are due at once, as if they had not failed. Which.
CREATE FUNCTION retry_parked_jobs(of_jobs uuid[], of_user text, of_type text, before timestamptz, most bigint)
RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    chosen uuid[] := choose_parked_jobs(of_jobs, of_user, of_type, before, most);
BEGIN
    RETURN QUERY
    UPDATE parked_jobs
    SET state = 'retrying', next_attempt_at = clock_timestamp(), tries = 0, parked_at = NULL
    WHERE job_id = ANY(chosen) AND parked_at IS NOT NULL
    RETURNING job_id;
END
$$;

-- Parked jobs that fit are given up. Which.
CREATE FUNCTION remove_parked_jobs(
    of_jobs uuid[], of_user text, of_type text, before timestamptz, most bigint, remover text, outcome json
) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT UNNEST(archive_parked_jobs(
        choose_parked_jobs(of_jobs, of_user, of_type, before, most), remover, 'removed', outcome
    ))
$$;

-- Jobs that were parked more than `retention_days` days ago are given up, and that is recorded. How many.
CREATE FUNCTION expire_parked_jobs(retention_days integer, most bigint, actor text, request_id text, outcome json)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    before timestamptz := clock_timestamp() - make_interval(days => retention_days);
    ended uuid[];
BEGIN
    IF retention_days IS NULL OR retention_days < 1 THEN
        RAISE EXCEPTION 'parked jobs are kept for at least a day' USING ERRCODE = 'insufficient_privilege';
    END IF;
    ended := archive_parked_jobs(choose_parked_jobs(NULL, NULL, NULL, before, most), actor, 'expired', outcome);
    IF ended IS NULL THEN
        RETURN 0::bigint;
    END IF;
    INSERT INTO operator_actions (actor, request_id, action, detail)
    VALUES (
        actor, request_id, 'expire',
        json_build_object(
            'filter', json_build_object(
                'parkedBefore', to_char(before AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            ),
            'jobIds', ended
        )
    );
    RETURN cardinality(ended)::bigint;
END
$$;

-- Ends a job that waits, wherever it does, before a worker decides it; `false` if one has. What waits elsewhere than in
-- Postgres meets the job's record.
CREATE FUNCTION withdraw_job(
    of_job uuid, of_user text, of_shard integer, of_type text, hash bytea, outcome json, submitter text, submitted timestamptz,
    withdrawer text, request text, until timestamptz, quiet boolean
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    of_uid bigint := uid_of(of_user, of_shard);
    last_seq bigint;
    journaled journal;
    parked parked_jobs;
    job json;
BEGIN
    IF (outcome ->> 'code') IS DISTINCT FROM 'withdrawn' OR until IS NULL OR until > now() + interval '1 year' THEN
        RAISE EXCEPTION 'a job is withdrawn as withdrawn, and remembered for a year at most'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT version INTO last_seq FROM users WHERE shard = of_shard AND uid = of_uid FOR NO KEY UPDATE;
    -- After the user's row, as batches do.
    IF cardinality(claim_jobs(ARRAY[of_job], ARRAY[of_shard])) = 0 THEN
        RETURN false;
    END IF;
    SELECT * INTO journaled FROM journal WHERE job_id = of_job;
    SELECT * INTO parked FROM parked_jobs WHERE job_id = of_job;
    job := COALESCE(parked.body, journaled.body::json) -> 'job';
    INSERT INTO records (uid, seq, at, job_id, shard, count, is_rejected, body)
    VALUES (of_uid, last_seq, clock_timestamp(), of_job, of_shard, 0, true,
            undecided_body(of_user, of_type, job ->> 'reason', submitter, request, submitted, parked.attempts,
                           COALESCE(journaled.payload_hash, parked.payload_hash, hash), outcome))
    ON CONFLICT (job_id, shard) WHERE job_id IS NOT NULL DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO withdrawals (job_id, shard, withdrawn_by, request_id, keep_until)
    VALUES (of_job, of_shard, withdrawer, request, until);
    DELETE FROM journal WHERE job_id = of_job;
    DELETE FROM parked_jobs WHERE job_id = of_job;
    IF parked.parked_at IS NOT NULL THEN
        INSERT INTO archived_jobs (job_id, user_id, shard, type, payload_hash, actor, request_id, submitted_at,
                                   envelope_version, body, attempts, failures, added_at, parked_at, archived_by, reason)
        VALUES (parked.job_id, parked.user_id, parked.shard, parked.type, parked.payload_hash, parked.actor, parked.request_id,
                parked.submitted_at, parked.envelope_version, parked.body, parked.attempts, parked.failures, parked.added_at,
                parked.parked_at, withdrawer, 'withdrawn');
    END IF;
    PERFORM add_rejections(
        ARRAY[of_shard], ARRAY[1::bigint], ARRAY[1], ARRAY[of_uid], ARRAY[of_job],
        ARRAY[CASE WHEN quiet OR (job ->> 'quiet')::boolean THEN 1 ELSE 0 END::smallint]
    );
    IF parked.job_id IS NOT NULL THEN
        PERFORM let_next_go(ARRAY[of_user]);
    END IF;
    RETURN true;
END
$$;
