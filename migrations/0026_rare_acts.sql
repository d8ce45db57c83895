-- What is done seldom and is more than a program may: functions that act as the owner and look at what they are given. (Who may
-- call them is in 0027_roles.sql.)

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

-- Ends parked jobs, whose users are locked, as rejected with this result, keeps them in archived_jobs, tells of them, and lets
-- those behind them go on. Which have ended.
CREATE FUNCTION archive_parked_jobs(of_jobs uuid[], archiver text, why text, outcome json) RETURNS uuid[]
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    their_users text[];
    ended uuid[];
BEGIN
    IF (outcome ->> 'code') IS DISTINCT FROM why THEN
        RAISE EXCEPTION 'a job that is archived as % ends so', why USING ERRCODE = 'insufficient_privilege';
    END IF;
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
        ORDER BY job_id
        -- It cannot be there: a job that was decided is not in parked_jobs. If it is all the same, it stays as it is.
        ON CONFLICT (job_id) WHERE job_id IS NOT NULL DO NOTHING
        RETURNING job_id
    ), counts AS (
        SELECT shard, count(*) AS rejected
        FROM gone
        JOIN decided USING (job_id)
        GROUP BY shard
    ), counters AS (
        SELECT shard_counters.shard, counts.rejected, shard_counters.events
        FROM counts
        JOIN shard_counters USING (shard)
        ORDER BY shard
        FOR NO KEY UPDATE OF shard_counters
    ), counted AS (
        UPDATE shard_counters
        SET rejected = shard_counters.rejected + counters.rejected,
            events = shard_counters.events + counters.rejected,
            last_event_at = GREATEST(shard_counters.last_event_at, clock_timestamp())
        FROM counters
        WHERE shard_counters.shard = counters.shard
        RETURNING shard_counters.shard, last_event_at
    ), told AS (
        INSERT INTO events (shard, seq, user_id, name, version, at, job_id, is_quiet)
        SELECT shard, counters.events + row_number() OVER (PARTITION BY shard ORDER BY position), user_id, 'job/rejected', 1,
               counted.last_event_at, job_id, CASE WHEN (body -> 'job' ->> 'quiet')::boolean THEN true END
        FROM gone
        JOIN decided USING (job_id)
        JOIN counters USING (shard)
        JOIN counted USING (shard)
    )
    SELECT array_agg(user_id), array_agg(job_id) INTO their_users, ended FROM gone;
    PERFORM let_next_go(their_users);
    RETURN ended;
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
        RETURN 0;
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
    RETURN cardinality(ended);
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
    counter shard_counters;
BEGIN
    IF (outcome ->> 'code') IS DISTINCT FROM 'withdrawn' OR until IS NULL OR until > now() + interval '1 year' THEN
        RAISE EXCEPTION 'a job is withdrawn as withdrawn, and remembered for a year at most'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT version INTO last_seq FROM users WHERE shard = of_shard AND uid = of_uid FOR NO KEY UPDATE;
    SELECT * INTO journaled FROM journal WHERE job_id = of_job;
    SELECT * INTO parked FROM parked_jobs WHERE job_id = of_job;
    job := COALESCE(parked.body, journaled.body::json) -> 'job';
    INSERT INTO records (uid, seq, at, job_id, shard, count, is_rejected, body)
    VALUES (of_uid, last_seq, clock_timestamp(), of_job, of_shard, 0, true,
            undecided_body(of_user, of_type, job ->> 'reason', submitter, request, submitted, parked.attempts,
                           COALESCE(journaled.payload_hash, parked.payload_hash, hash), outcome))
    ON CONFLICT (job_id) WHERE job_id IS NOT NULL DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO withdrawals (job_id, withdrawn_by, request_id, keep_until) VALUES (of_job, withdrawer, request, until);
    DELETE FROM journal WHERE job_id = of_job;
    DELETE FROM parked_jobs WHERE job_id = of_job;
    IF parked.parked_at IS NOT NULL THEN
        INSERT INTO archived_jobs (job_id, user_id, shard, type, payload_hash, actor, request_id, submitted_at,
                                   envelope_version, body, attempts, failures, added_at, parked_at, archived_by, reason)
        VALUES (parked.job_id, parked.user_id, parked.shard, parked.type, parked.payload_hash, parked.actor, parked.request_id,
                parked.submitted_at, parked.envelope_version, parked.body, parked.attempts, parked.failures, parked.added_at,
                parked.parked_at, withdrawer, 'withdrawn');
    END IF;
    UPDATE shard_counters
    SET rejected = rejected + 1, events = events + 1, last_event_at = GREATEST(last_event_at, clock_timestamp())
    WHERE shard = of_shard
    RETURNING * INTO STRICT counter;
    INSERT INTO events (shard, seq, user_id, name, version, at, job_id, is_quiet)
    VALUES (of_shard, counter.events, of_user, 'job/rejected', 1, counter.last_event_at, of_job,
            CASE WHEN quiet OR (job ->> 'quiet')::boolean THEN true END);
    IF parked.job_id IS NOT NULL THEN
        PERFORM let_next_go(ARRAY[of_user]);
    END IF;
    RETURN true;
END
$$;

-- Takes jobs back that this very transaction has added to the journal.
CREATE FUNCTION take_back_journaled(of_jobs uuid[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DELETE FROM journal WHERE job_id = ANY(of_jobs) AND xmin = pg_current_xact_id()::xid
$$;

-- Whether jobs are applied.
CREATE FUNCTION set_queue_paused(paused boolean, changer text, why text) RETURNS queue_state
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE queue_state
    SET is_paused = paused, changed_at = clock_timestamp(), changed_by = changer, reason = why
    WHERE singleton
    RETURNING *
$$;

-- Adds a version, which must be the next one, with its items.
CREATE FUNCTION publish_catalogue(new_version bigint, new_document json, publisher text, request text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF json_typeof(new_document -> 'items') IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'a catalogue has items' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO catalogue_versions (version, document, published_by, request_id)
    VALUES (new_version, new_document, publisher, request);
    INSERT INTO items (version, item_id, definition)
    SELECT new_version, key, value
    FROM json_each(new_document -> 'items');
END
$$;

-- Tells of an operator's try of a webhook endpoint: the event's number in its shard.
CREATE FUNCTION tell_webhook_ping(of_endpoint uuid, of_shard integer, event_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    counter shard_counters;
BEGIN
    UPDATE shard_counters
    SET events = events + 1, last_event_at = GREATEST(last_event_at, clock_timestamp())
    WHERE shard = of_shard
    RETURNING * INTO STRICT counter;
    INSERT INTO events (shard, seq, user_id, name, version, at, id, data)
    VALUES (of_shard, counter.events, 'webhook:' || of_endpoint, 'webhook/ping', 1, counter.last_event_at, event_id,
            format('{"endpointId":"%s"}', of_endpoint)::json);
    RETURN counter.events;
END
$$;

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

REVOKE EXECUTE ON FUNCTION let_next_go, choose_parked_jobs, archive_parked_jobs, retry_parked_jobs, remove_parked_jobs,
    expire_parked_jobs, withdraw_job, take_back_journaled, set_queue_paused, publish_catalogue, tell_webhook_ping, cancel_runs,
    retry_run, redeliver_run, forget_runs, give_up_runs, forget_paces
    FROM PUBLIC;
