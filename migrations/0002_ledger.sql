-- What users have, and how they came by it: one record per decided job and party, in chains whose heads are signed
-- (docs/design/ledger.md). In users, holdings, rule_grants and records wide columns come first, so that rows have no padding.

-- Who is who. What grows with a user names its number alone, so that this row is all that ties it to a person.
CREATE TABLE user_names (
    user_id text COLLATE "C" NOT NULL,
    shard integer NOT NULL CHECK (shard >= 0),
    uid bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (user_id, shard),
    UNIQUE (shard, uid)
);

-- Where each user's ledger ends.
CREATE TABLE users (
    uid bigint NOT NULL,
    -- How many changes it has; the last one's seq.
    version bigint NOT NULL DEFAULT 0 CHECK (version >= 0),
    -- The decision time of the last job that changed something; NULL before the first.
    decided_at timestamptz,
    shard integer NOT NULL,
    -- Whether jobs of this user are in parked_jobs: then nothing of theirs is applied from the queue.
    is_blocked boolean NOT NULL DEFAULT false,
    -- The last record's hash; 32 zero bytes before the first.
    hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex') CHECK (octet_length(hash) = 32),
    -- By SATCHEL_LEDGER_KEY. NULL before the first.
    mac bytea CHECK (octet_length(mac) = 20),
    PRIMARY KEY (shard, uid)
) WITH (fillfactor = 70);

-- What each user has, and ever had, of each item.
CREATE TABLE holdings (
    uid bigint NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0),
    granted_total bigint NOT NULL CHECK (granted_total >= 0),
    used_total bigint NOT NULL CHECK (used_total >= 0),
    last_granted_at timestamptz,
    last_used_at timestamptz,
    updated_at timestamptz NOT NULL,
    shard integer NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, uid, item_id)
) WITH (fillfactor = 80);

-- What reward rules have given for, of those that give once for each value. Kept for ever.
CREATE TABLE rule_grants (
    uid bigint NOT NULL,
    shard integer NOT NULL,
    rule_id text COLLATE "C" NOT NULL,
    -- As JSON: 1 and "1" differ.
    value text COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, uid, rule_id, value)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rule_grants
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE rule_grants ENABLE ALWAYS TRIGGER append_only;

-- Decided jobs: of each a record for every user that it is about.
CREATE TABLE records (
    uid bigint NOT NULL,
    -- The number of its first change; where it changes nothing, the user's last one.
    seq bigint NOT NULL CHECK (seq >= 0),
    -- When it was written, by this database's clock.
    at timestamptz NOT NULL,
    -- In the record of the user that the job names; NULL for other parties.
    job_id uuid,
    shard integer NOT NULL,
    -- How many changes it has.
    count smallint NOT NULL CHECK (count >= 0),
    is_rejected boolean NOT NULL,
    -- JSON, hashed as it is here.
    body text COLLATE "C" NOT NULL,
    -- What proves it: its place in the user's chain (32 bytes) or, where it changes nothing, a MAC (20 bytes); NULL for a job
    -- that ended by an operator's act or by its age, of which archived_jobs and withdrawals tell.
    seal bytea,
    CHECK (octet_length(seal) = CASE WHEN count > 0 THEN 32 ELSE 20 END AND (seal IS NOT NULL OR count = 0)),
    CHECK (count = 0 OR seq >= 1),
    CHECK (job_id IS NOT NULL OR count > 0)
);
-- One place in the chain, one record.
CREATE UNIQUE INDEX records_chain ON records (shard, uid, seq) WHERE count > 0;
-- A job is decided once, for ever. Its id comes first, since it is asked for by its id alone.
CREATE UNIQUE INDEX records_job ON records (job_id, shard) WHERE job_id IS NOT NULL;
-- What changes nothing is forgotten one day: rejected jobs without a key, and so an id of version 7, sooner than others, whose
-- keys are remembered by these rows.
CREATE INDEX records_passing ON records ((is_rejected AND substr(job_id::text, 15, 1) = '7'), at) WHERE count = 0;

-- Which shard has decided a job whose id does not lead to it (docs/adr/0012-job-ids-lead-to-shards.md): of such ids, records_job
-- keeps one shard from deciding twice, this every other. (Of withdrawn and archived jobs all, whatever their ids.)
CREATE TABLE job_claims (
    job_id uuid PRIMARY KEY,
    shard integer NOT NULL
);

-- Claims jobs for shards, before their records are added: those that no other shard has decided.
CREATE FUNCTION claim_jobs(of_jobs uuid[], of_shards integer[]) RETURNS uuid[]
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    -- Whoever claims the same job waits here. Two that claim several wait for each other in one direction only.
    INSERT INTO job_claims (job_id, shard)
    SELECT claimed.job_id, claimed.shard
    FROM UNNEST(of_jobs, of_shards) AS claimed (job_id, shard)
    ORDER BY claimed.job_id
    ON CONFLICT DO NOTHING;
    RETURN ARRAY(SELECT job_id FROM UNNEST(of_jobs, of_shards) AS claimed (job_id, shard) JOIN job_claims USING (job_id, shard));
END
$$;

-- Records are added, never changed, but for the seals of those that change nothing, which a new key signs anew. These records go
-- when their time has come.
CREATE TRIGGER append_only BEFORE TRUNCATE ON records
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER unchanged BEFORE UPDATE ON records
    FOR EACH ROW WHEN (
        OLD.count > 0 OR OLD.seal IS NULL OR NEW.seal IS NULL
        OR to_jsonb(OLD) - 'seal' IS DISTINCT FROM to_jsonb(NEW) - 'seal'
    )
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER kept BEFORE DELETE ON records
    FOR EACH ROW WHEN (OLD.count > 0) EXECUTE FUNCTION refuse_change();
ALTER TABLE records ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE records ENABLE ALWAYS TRIGGER unchanged;
ALTER TABLE records ENABLE ALWAYS TRIGGER kept;

-- The number of a user, who gets one if there was none.
CREATE FUNCTION uid_of(of_user text, of_shard integer) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    number bigint;
BEGIN
    -- Who meets another one here waits in the INSERT and finds what that one made.
    FOR attempt IN 1 .. 3 LOOP
        SELECT uid INTO number FROM user_names WHERE user_id = of_user AND shard = of_shard;
        IF FOUND THEN
            RETURN number;
        END IF;
        WITH made AS (
            INSERT INTO user_names (user_id, shard) VALUES (of_user, of_shard) ON CONFLICT DO NOTHING RETURNING shard, uid
        )
        INSERT INTO users (shard, uid) SELECT shard, uid FROM made;
    END LOOP;
    RAISE EXCEPTION 'user % of shard % was given no number', of_user, of_shard;
END
$$;

-- What the record says of a job that nobody decided.
CREATE FUNCTION undecided_body(
    of_user text, job_type text, why text, submitter text, request text, submitted timestamptz, attempts integer, hash bytea,
    outcome json
) RETURNS text
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT json_build_object(
        'job', json_build_object('type', job_type, 'reason', why),
        'actor', NULLIF(submitter, 'player:' || of_user),
        'requestId', request,
        'submittedAt', (extract(epoch FROM submitted) * 1000000)::bigint,
        'attempts', GREATEST(attempts, 1),
        'payloadHash', encode(hash, 'hex'),
        'result', outcome
    )::text
$$;

-- Forgets records that change nothing, `most` of each kind at most: those of more than `retention_days` days ago, and those of
-- rejected jobs without a key of more than `rejected_days` days ago. The service itself cannot delete records, and through this
-- none that is younger than 90 days (MIN_JOB_RETENTION_DAYS), or 35 (MIN_REJECTED_RETENTION_DAYS): no copy in the queue is that
-- old. Whether there may be more: `has_more`.
CREATE FUNCTION forget_jobs(retention_days integer, rejected_days integer, most bigint, OUT removed bigint, OUT has_more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    of_kind boolean;
    gone bigint;
BEGIN
    IF retention_days IS NULL OR retention_days < 90 THEN
        RAISE EXCEPTION 'decided jobs are kept for at least 90 days' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF rejected_days IS NULL OR rejected_days < 35 THEN
        RAISE EXCEPTION 'rejected jobs are kept for at least 35 days' USING ERRCODE = 'insufficient_privilege';
    END IF;
    removed := 0;
    has_more := false;
    FOREACH of_kind IN ARRAY ARRAY[true, false] LOOP
        WITH passing AS (
            SELECT ctid
            FROM records
            WHERE count = 0
              AND (is_rejected AND substr(job_id::text, 15, 1) = '7') = of_kind
              AND at < now() - make_interval(days => CASE WHEN of_kind THEN LEAST(rejected_days, retention_days) ELSE retention_days END)
              AND NOT EXISTS (
                  SELECT
                  FROM withdrawals
                  WHERE withdrawals.job_id = records.job_id AND withdrawals.shard = records.shard AND keep_until > now()
              )
            ORDER BY at
            LIMIT most
            FOR UPDATE SKIP LOCKED
        ), deleted AS (
            DELETE FROM records WHERE ctid = ANY(ARRAY(SELECT ctid FROM passing)) AND count = 0 RETURNING job_id, shard
        ), forgotten AS (
            DELETE FROM withdrawals USING deleted WHERE withdrawals.job_id = deleted.job_id AND withdrawals.shard = deleted.shard
        ), released AS (
            DELETE FROM job_claims USING deleted WHERE job_claims.job_id = deleted.job_id AND job_claims.shard = deleted.shard
        )
        SELECT count(*) INTO gone FROM deleted;
        removed := removed + gone;
        has_more := has_more OR gone >= most;
    END LOOP;
END
$$;

-- For people: the programs read the tables.

CREATE VIEW jobs AS
SELECT user_names.user_id, records.job_id, records.body::json -> 'job' ->> 'type' AS type,
       CASE WHEN records.is_rejected THEN 'rejected' ELSE 'applied' END AS status,
       records.body::json -> 'result' AS result,
       COALESCE(records.body::json ->> 'actor', 'player:' || user_names.user_id) AS actor,
       records.body::json ->> 'requestId' AS request_id,
       COALESCE((records.body::json ->> 'attempts')::integer, 1) AS attempts,
       to_timestamp((records.body::json ->> 'submittedAt')::bigint / 1000000.0) AS submitted_at,
       records.at AS applied_at
FROM records
JOIN user_names USING (shard, uid)
WHERE records.job_id IS NOT NULL;

CREATE VIEW ledger AS
SELECT user_names.user_id, records.seq + changes.nth - 1 AS seq,
       COALESCE(records.job_id, (records.body::json ->> 'jobId')::uuid) AS job_id,
       changes.change -> 'stack' ->> 0 AS item_id, (changes.change -> 'stack' ->> 1)::bigint AS delta,
       (changes.change -> 'stack' ->> 2)::bigint AS balance, records.body::json -> 'job' ->> 'type' AS type,
       COALESCE(records.body::json ->> 'actor', 'player:' || user_names.user_id) AS actor,
       records.body::json -> 'job' ->> 'reason' AS reason, records.body::json ->> 'requestId' AS request_id,
       changes.change -> 'stack' ->> 3 AS cause, (records.body::json ->> 'catalogue')::bigint AS catalogue_version,
       records.at, records.seal AS hash
FROM records
JOIN user_names USING (shard, uid)
CROSS JOIN LATERAL json_array_elements(records.body::json -> 'changes') WITH ORDINALITY AS changes (change, nth)
WHERE records.count > 0 AND changes.change -> 'stack' IS NOT NULL;

CREATE VIEW inventory AS
SELECT user_names.user_id, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at, updated_at
FROM holdings
JOIN user_names USING (shard, uid);
