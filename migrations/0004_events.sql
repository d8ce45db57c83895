-- Events: what happened, in the order in which it was committed.

-- How many events of the shard there are so far, which is the last one's seq, and when that happened.
ALTER TABLE shard_counters
    ADD COLUMN events bigint NOT NULL DEFAULT 0,
    ADD COLUMN last_event_at timestamptz NOT NULL DEFAULT '-infinity';

CREATE TABLE events (
    shard integer NOT NULL,
    -- Counts up in each shard without a gap, in the order of commits: who adds events has counted them in the shard's
    -- row of shard_counters, which nobody else can before the commit. So whoever has read up to some seq has missed
    -- nothing, however transactions overlapped.
    seq bigint NOT NULL CHECK (seq >= 1),
    user_id text COLLATE "C" NOT NULL,
    name text NOT NULL,
    version smallint NOT NULL,
    -- Never before that of an earlier seq of the shard.
    at timestamptz NOT NULL,
    -- The job in whose transaction it happened.
    job_id uuid,
    -- NULL: the job's id.
    id text,
    -- When its sender says that it happened.
    occurred_at timestamptz,
    -- NULL: what the job's record says.
    data json,
    PRIMARY KEY (shard, seq),
    CHECK (job_id IS NOT NULL OR (id IS NOT NULL AND data IS NOT NULL))
);

-- The first event of a shard that happened at a moment or later: its seq, or one more than the last. A search by
-- halves, since times never fall with seq; events that are gone count as earlier.
CREATE FUNCTION first_event_since(of_shard integer, since timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    low bigint;
    high bigint;
    middle bigint;
BEGIN
    SELECT min(seq), max(seq) + 1 INTO low, high FROM events WHERE shard = of_shard;
    IF low IS NULL THEN
        SELECT events + 1 INTO low FROM shard_counters WHERE shard = of_shard;
        RETURN low;
    END IF;
    WHILE low < high LOOP
        middle := low + (high - low) / 2;
        IF EXISTS (SELECT FROM events WHERE shard = of_shard AND seq = middle AND at >= since) THEN
            high := middle;
        ELSE
            low := middle + 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;

GRANT SELECT, INSERT ON events TO satchel_app;
GRANT UPDATE (events, last_event_at) ON shard_counters TO satchel_app;

-- What rules have given for, of those that give once for each value. Kept for ever, unlike the jobs by which it was given.
CREATE TABLE rule_grants (
    user_id text COLLATE "C" NOT NULL,
    rule_id text COLLATE "C" NOT NULL,
    -- As JSON: 1 and "1" differ.
    value text COLLATE "C" NOT NULL,
    job_id uuid NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (user_id, rule_id, value)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON rule_grants
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE rule_grants ENABLE ALWAYS TRIGGER append_only;
GRANT SELECT, INSERT ON rule_grants TO satchel_app;
