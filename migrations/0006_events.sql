-- Events: what happened, in the order in which it was committed.

CREATE TABLE events (
    shard integer NOT NULL,
    -- Counts up in each shard without a gap, in the order of commits: who adds events has counted them in the shard's
    -- row of shard_counters, which nobody else can before the commit. So whoever has read up to some seq has missed
    -- nothing, however transactions overlapped.
    seq bigint NOT NULL CHECK (seq BETWEEN 1 AND 4611686018427387904),
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
    -- NULL unless its job was quiet: such an event is recorded as all are, but given to no function.
    is_quiet boolean CHECK (is_quiet),
    PRIMARY KEY (shard, seq),
    CHECK (job_id IS NOT NULL OR (id IS NOT NULL AND data IS NOT NULL))
);
CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE events ENABLE ALWAYS TRIGGER refuse_change;

-- The first event of a shard that happened at a moment or later: its seq, or one more than the last. A search by halves, since
-- times never fall with seq; events that are gone count as earlier. The last event is known by the shard's counter, and numbers may
-- be missing: somebody may have added an event ahead of the counter, which workers then step over.
CREATE OR REPLACE FUNCTION first_event_since(of_shard integer, since timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    low bigint;
    high bigint;
    middle bigint;
    next record;
BEGIN
    SELECT events + 1 INTO high FROM shard_counters WHERE shard = of_shard;
    SELECT min(seq) INTO low FROM events WHERE shard = of_shard;
    IF low IS NULL OR low > high THEN
        RETURN high;
    END IF;
    WHILE low < high LOOP
        middle := low + (high - low) / 2;
        SELECT seq, at INTO next FROM events WHERE shard = of_shard AND seq >= middle AND seq < high ORDER BY seq LIMIT 1;
        IF NOT FOUND OR next.at >= since THEN
            high := middle;
        ELSE
            low := next.seq + 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;

-- Forgets events that happened more than `retention_days` days ago, at most `max_events` of each shard, the oldest first:
-- but none that was not given to functions, nor any after one that an unfinished run is for. The service itself cannot
-- delete events, and through this none younger than a day.
-- `has_more`: some shard may have more.
CREATE FUNCTION forget_events(retention_days integer, max_events integer, OUT removed bigint, OUT has_more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    place record;
    lowest bigint;
    kept bigint;
    gone bigint;
BEGIN
    IF retention_days IS NULL OR retention_days < 1 THEN
        RAISE EXCEPTION 'events are kept for at least a day' USING ERRCODE = 'insufficient_privilege';
    END IF;
    removed := 0;
    has_more := false;
    FOR place IN SELECT shard, dispatched FROM event_cursors ORDER BY shard LOOP
        SELECT min(seq) INTO lowest FROM events WHERE shard = place.shard;
        CONTINUE WHEN lowest IS NULL;
        kept := LEAST(
            first_event_since(place.shard, now() - make_interval(days => retention_days)),
            place.dispatched + 1,
            (SELECT min(event_seq) FROM function_runs WHERE shard = place.shard AND finished_at IS NULL)
        );
        DELETE FROM events WHERE shard = place.shard AND seq < LEAST(kept, lowest + max_events);
        GET DIAGNOSTICS gone = ROW_COUNT;
        removed := removed + gone;
        has_more := has_more OR gone >= max_events;
    END LOOP;
END
$$;
