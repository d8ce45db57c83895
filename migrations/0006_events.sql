-- Events: what happened, in the order in which it was committed.

-- What a batch told of a shard's users, in one row. Its events are numbered from `seq` on.
CREATE TABLE event_batches (
    -- Counts up in each shard without a gap, in the order of commits: who adds events has counted them in the shard's
    -- row of shard_counters, which nobody else can before the commit. So whoever has read up to some number has missed
    -- nothing, however transactions overlapped.
    seq bigint NOT NULL CHECK (seq BETWEEN 1 AND 4611686018427387904),
    -- Never before that of an earlier number of the shard.
    at timestamptz NOT NULL,
    shard integer NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    -- Of each event: the user that it is about, and the job in whose transaction it happened.
    uids bigint[] NOT NULL,
    job_ids uuid[] NOT NULL,
    -- What happened, each once, in JSON: [name, version of its data's form], and a third member, true, where the jobs were quiet:
    -- these are recorded as all are, but given to no function.
    kinds json NOT NULL,
    -- Of each event the index of its kind, counted from 0; NULL where there is one kind alone.
    kind_of smallint[],
    -- Of each event what it tells beside its job's record, in JSON: `id` (else the job's id), `occurredAt` (as its sender says) and
    -- `data` (else what the record says); NULL where no event does.
    details text[],
    -- The root of the tree of the hashes of the records that the batch added to the shard's chains (docs/design/ledger.md); NULL if
    -- there are none.
    root bytea CHECK (octet_length(root) = 32),
    -- When these records were written.
    recorded_at timestamptz,
    PRIMARY KEY (shard, seq),
    CHECK (cardinality(uids) = count AND cardinality(job_ids) = count),
    CHECK (cardinality(kind_of) = count),
    CHECK ((root IS NULL) = (recorded_at IS NULL)),
    CHECK (cardinality(details) = count)
);
CREATE TRIGGER refuse_change BEFORE UPDATE OR TRUNCATE ON event_batches
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE event_batches ENABLE ALWAYS TRIGGER refuse_change;

-- The events of a shard from one number to another, one by one; `batch` is the number of the first one of each one's row. Rows are
-- found by the primary key, and of a row only the part that is asked for is unfolded: each run of a function asks for one event. (It
-- has no search_path of its own, so that it becomes part of the statement that asks.)
CREATE FUNCTION events_between(of_shard integer, first_seq bigint, last_seq bigint)
RETURNS TABLE (
    shard integer, batch bigint, seq bigint, at timestamptz, uid bigint, user_id text, job_id uuid, name text, version smallint,
    is_quiet boolean, id text, occurred_at timestamptz, data json
)
LANGUAGE sql STABLE AS $$
    SELECT batches.shard, batches.seq, batches.seq + part.low + told.nth - 2, batches.at, told.uid, user_names.user_id, told.job_id,
           said.kind ->> 0, (said.kind ->> 1)::smallint, (said.kind ->> 2)::boolean,
           told.details::json ->> 'id', (told.details::json ->> 'occurredAt')::timestamptz, told.details::json -> 'data'
    FROM event_batches AS batches
    CROSS JOIN LATERAL (
        SELECT LEAST(GREATEST(first_seq - batches.seq, 0), batches.count)::integer + 1 AS low,
               LEAST(last_seq - batches.seq + 1, batches.count)::integer AS high
    ) AS part
    CROSS JOIN LATERAL UNNEST(uids[low:high], job_ids[low:high], kind_of[low:high], details[low:high]) WITH ORDINALITY
        AS told (uid, job_id, kind, details, nth)
    CROSS JOIN LATERAL (SELECT batches.kinds -> COALESCE(told.kind, 0)::integer) AS said (kind)
    LEFT JOIN user_names ON user_names.shard = batches.shard AND user_names.uid = told.uid
    WHERE batches.shard = of_shard AND batches.seq <= last_seq
      AND batches.seq >= COALESCE(
          (SELECT max(earlier.seq) FROM event_batches AS earlier WHERE earlier.shard = of_shard AND earlier.seq <= first_seq), 0
      )
$$;

-- For people: the programs ask for parts.
CREATE VIEW events AS
SELECT told.*
FROM shard_counters
CROSS JOIN LATERAL events_between(shard_counters.shard, 1, shard_counters.events) AS told;

-- Counts what was decided and adds what happened, of each shard in one row: this alone does so. Of the events of all shards, one
-- shard's behind the other's, the shard's own begin at `firsts`. An empty array says what all have: the first kind, no details.
CREATE FUNCTION add_events(
    moment timestamptz, shards integer[], applied bigint[], rejected bigint[], counts integer[], firsts integer[], kinds text[],
    roots bytea[], uids bigint[], job_ids uuid[], kind_of smallint[], details text[]
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    found bigint;
BEGIN
    WITH counted AS (
        UPDATE shard_counters
        SET applied = shard_counters.applied + decided.applied,
            rejected = shard_counters.rejected + decided.rejected,
            events = shard_counters.events + decided.count,
            last_event_at = CASE WHEN decided.count > 0 THEN GREATEST(shard_counters.last_event_at, moment)
                                 ELSE shard_counters.last_event_at END
        FROM UNNEST(shards, add_events.applied, add_events.rejected, counts, firsts, kinds, roots)
             AS decided (shard, applied, rejected, count, first, kinds, root)
        WHERE shard_counters.shard = decided.shard
        RETURNING decided.*, shard_counters.events - decided.count + 1 AS seq, last_event_at
    ), told AS (
        INSERT INTO event_batches (shard, seq, count, at, uids, job_ids, kinds, kind_of, details, root, recorded_at)
        SELECT shard, seq, count, last_event_at, uids[first : first + count - 1], job_ids[first : first + count - 1],
               counted.kinds::json, CASE WHEN cardinality(kind_of) > 0 THEN kind_of[first : first + count - 1] END,
               CASE WHEN cardinality(details) > 0 THEN details[first : first + count - 1] END,
               root, CASE WHEN root IS NOT NULL THEN moment END
        FROM counted
        WHERE count > 0
    )
    SELECT count(*) INTO found FROM counted;
    IF found < cardinality(shards) THEN
        RAISE EXCEPTION 'there is no such shard';
    END IF;
END
$$;

-- The first event of a shard that happened at a moment or later: its seq, or one more than the last. A search by halves, since
-- times never fall with seq; events that are gone count as earlier.
CREATE FUNCTION first_event_since(of_shard integer, since timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp AS $$
DECLARE
    low bigint;
    high bigint;
    middle bigint;
    batch record;
BEGIN
    SELECT events + 1 INTO high FROM shard_counters WHERE shard = of_shard;
    SELECT min(seq) INTO low FROM event_batches WHERE shard = of_shard;
    IF low IS NULL THEN
        RETURN high;
    END IF;
    WHILE low < high LOOP
        middle := low + (high - low) / 2;
        SELECT seq, seq + count AS next, at INTO batch
        FROM event_batches
        WHERE shard = of_shard AND seq <= middle
        ORDER BY seq DESC
        LIMIT 1;
        IF batch.at >= since THEN
            high := batch.seq;
        ELSE
            low := GREATEST(batch.next, middle + 1);
        END IF;
    END LOOP;
    RETURN low;
END
$$;

-- Forgets events that happened more than `retention_days` days ago, batch by batch, about `max_events` of each shard at most, the
-- oldest first: but none of a batch that was not wholly given to functions, nor any from one that an unfinished run is for. The service
-- itself cannot delete events, and through this none younger than a day.
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
        SELECT min(seq) INTO lowest FROM event_batches WHERE shard = place.shard;
        CONTINUE WHEN lowest IS NULL;
        kept := LEAST(
            first_event_since(place.shard, now() - make_interval(days => retention_days)),
            place.dispatched + 1,
            (SELECT min(event_seq) FROM function_runs WHERE shard = place.shard AND finished_at IS NULL)
        );
        WITH forgotten AS (
            DELETE FROM event_batches
            WHERE shard = place.shard AND seq < lowest + max_events AND seq + count <= kept
            RETURNING count
        )
        SELECT COALESCE(sum(count), 0) INTO gone FROM forgotten;
        removed := removed + gone;
        has_more := has_more OR gone >= max_events;
    END LOOP;
END
$$;
