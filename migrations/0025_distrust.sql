-- What whoever has the application's login can do to jobs that wait here, and to the service's going on.

-- Jobs that wait here are signed as those in the queue are: HMAC-SHA256 by SATCHEL_ENVELOPE_KEY over envelope_version and
-- body. Workers apply nothing else. Nobody can sign what waited before, so nothing may: this fails while rows are there
-- (let the queue run empty, and retry or remove parked jobs, before).
ALTER TABLE journal ADD COLUMN mac bytea NOT NULL CHECK (octet_length(mac) = 32);
ALTER TABLE parked_jobs ADD COLUMN mac bytea NOT NULL CHECK (octet_length(mac) = 32);

-- Twice what the API ever writes (MAX_BODY_BYTES): whoever reads a row that is none of ours has room for it.
ALTER TABLE journal ADD CHECK (octet_length(body) <= 262144);
ALTER TABLE parked_jobs
    ADD CHECK (octet_length(body::text) <= 262144),
    ADD CHECK (jsonb_typeof(failures) = 'array'),
    ADD CHECK (shard BETWEEN 0 AND 65535);

-- Numbers that are counted on: far from where bigint ends.
ALTER TABLE journal ADD CHECK (seq < 4611686018427387904);
ALTER TABLE shard_leases ADD CHECK (epoch BETWEEN 0 AND 4611686018427387904);
ALTER TABLE shard_counters ADD CHECK (events BETWEEN 0 AND 4611686018427387904);
ALTER TABLE event_cursors ADD CHECK (dispatched BETWEEN 0 AND 4611686018427387904);
ALTER TABLE events ADD CHECK (seq <= 4611686018427387904);

-- Each version is the one after the last: one that took the last number would be the last one for ever.
CREATE FUNCTION check_catalogue_version() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.version <> (SELECT COALESCE(max(version), 0) + 1 FROM catalogue_versions) THEN
        RAISE EXCEPTION 'catalogue version % is not the next one', NEW.version USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER check_catalogue_version BEFORE INSERT ON catalogue_versions
    FOR EACH ROW EXECUTE FUNCTION check_catalogue_version();

-- Times are such as programs can read: infinity is none, nor is what lies beyond all calendars. One check for each table, so
-- that rows of jobs pay for one. (`last_event_at` begins at -infinity, and is read by nobody.)
DO $$
DECLARE
    place record;
BEGIN
    FOR place IN
        SELECT columns.table_name,
               string_agg(
                   format('%I BETWEEN ''4000-01-01 00:00:00+00 BC'' AND ''11000-01-01 00:00:00+00''', column_name), ' AND '
                   ORDER BY ordinal_position
               ) AS readable
        FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name NOT LIKE '\_sqlx%'
          AND data_type = 'timestamp with time zone' AND column_name <> 'last_event_at'
        GROUP BY columns.table_name
    LOOP
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT readable_times CHECK (%s)', place.table_name, place.readable);
    END LOOP;
END
$$;

-- The workers that are alive. One that says it lives for longer than any may (SATCHEL_LEASE_TTL_MS is 10 minutes at most)
-- is none: no shard waits for a ghost.
CREATE VIEW live_workers AS
SELECT worker_id, expires_at, started_at, alive_since
FROM workers
WHERE expires_at > clock_timestamp() AND expires_at <= clock_timestamp() + interval '15 minutes';
GRANT SELECT ON live_workers TO satchel_app;

-- As before, but by the shard's counter, which knows the last event, and over numbers that are not there: somebody may
-- have added an event ahead of the counter, which workers then step over.
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
