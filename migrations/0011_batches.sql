-- A batch's reads, its writes in one call, and a whole batch in one: they fence, compare and write, and know no rule of the game.

-- The users of a batch that its worker does not remember, and what they have of the items that are asked for, all of one moment and
-- without locks; users that are not there are made. An item that nobody asks for is ''. A user or item may be named twice.
CREATE FUNCTION find_holdings(of_users text[], of_shards smallint[], of_items text[])
RETURNS TABLE (
    nth bigint, shard smallint, uid bigint, version bigint, hash bytea, decided_at timestamptz, is_blocked boolean, mac bytea,
    quantity bigint, granted_total bigint, used_total bigint
)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    WITH missing AS (
        SELECT DISTINCT wanted.user_id, wanted.shard
        FROM UNNEST(of_users, of_shards) AS wanted (user_id, shard)
        WHERE NOT EXISTS (
            SELECT FROM user_names WHERE user_names.user_id = wanted.user_id AND user_names.shard = wanted.shard
        )
    ), made AS (
        INSERT INTO user_names (user_id, shard)
        SELECT missing.user_id, missing.shard
        FROM missing
        -- Two that make the same ones wait for each other in one direction only.
        ORDER BY missing.user_id COLLATE "C"
        ON CONFLICT DO NOTHING
        RETURNING user_names.shard, user_names.uid
    )
    INSERT INTO users (shard, uid) SELECT made.shard, made.uid FROM made;
    RETURN QUERY
    SELECT wanted.nth, users.shard, users.uid, users.version, users.hash, users.decided_at, users.is_blocked, users.mac,
           holdings.quantity, holdings.granted_total, holdings.used_total
    FROM UNNEST(of_users, of_shards, of_items) WITH ORDINALITY AS wanted (user_id, shard, item_id, nth)
    JOIN user_names ON user_names.user_id = wanted.user_id AND user_names.shard = wanted.shard
    JOIN users ON users.shard = user_names.shard AND users.uid = user_names.uid
    LEFT JOIN holdings ON holdings.shard = users.shard AND holdings.uid = users.uid AND holdings.item_id = wanted.item_id;
END
$$;

-- Writes what a batch has decided. What it remembers of holdings must be as it is: `held_found` has the quantity of each, NULL for
-- those that are new; `known` of them are not.
CREATE FUNCTION write_batch(
    moment timestamptz,
    record_shards smallint[], record_uids bigint[], record_seqs bigint[], record_jobs uuid[], record_counts smallint[],
    record_rejected boolean[], record_bodies text[], record_seals bytea[],
    user_shards smallint[], user_uids bigint[], user_versions bigint[], user_hashes bytea[], user_times timestamptz[],
    user_macs bytea[],
    held_shards smallint[], held_uids bigint[], held_items text[], held_quantities bigint[], held_granted bigint[],
    held_used bigint[], held_granted_at timestamptz[], held_used_at timestamptz[], held_found bigint[], known bigint,
    counted_shards integer[], counted_applied bigint[], counted_rejected bigint[], counted_events bigint[],
    event_places integer[], event_ordinals bigint[], event_users text[], event_names text[], event_versions smallint[],
    event_jobs uuid[], event_ids text[], event_times timestamptz[], event_data text[], event_quiet boolean[]
) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    updated bigint;
BEGIN
    IF cardinality(record_uids) > 0 THEN
        INSERT INTO records (shard, uid, seq, at, job_id, count, is_rejected, body, seal)
        SELECT decided.shard, decided.uid, decided.seq, moment, decided.job_id, decided.count, decided.is_rejected, decided.body,
               decided.seal
        FROM UNNEST(record_shards, record_uids, record_seqs, record_jobs, record_counts, record_rejected, record_bodies,
                    record_seals)
             AS decided (shard, uid, seq, job_id, count, is_rejected, body, seal);
    END IF;
    WITH counted AS (
        UPDATE shard_counters
        SET applied = shard_counters.applied + decided.applied,
            rejected = shard_counters.rejected + decided.rejected,
            events = shard_counters.events + decided.events,
            last_event_at = CASE WHEN decided.events > 0 THEN GREATEST(shard_counters.last_event_at, moment)
                                 ELSE shard_counters.last_event_at END
        FROM UNNEST(counted_shards, counted_applied, counted_rejected, counted_events)
             AS decided (shard, applied, rejected, events)
        WHERE shard_counters.shard = decided.shard
        RETURNING shard_counters.shard, shard_counters.events - decided.events AS before, last_event_at
    ),
    -- In one row, so that each event finds its shard's by its place: a join would compare all with all.
    places AS (
        SELECT array_agg(shard ORDER BY shard) AS shards,
               array_agg(before ORDER BY shard) AS befores,
               array_agg(last_event_at ORDER BY shard) AS times
        FROM counted
    )
    INSERT INTO events (shard, seq, user_id, name, version, at, job_id, id, occurred_at, data, is_quiet)
    SELECT shards[place], befores[place] + ordinal, happened.user_id, happened.name, happened.version, times[place],
           happened.job_id, happened.id, happened.occurred_at, happened.data::json, happened.is_quiet
    FROM places
    CROSS JOIN UNNEST(event_places, event_ordinals, event_users, event_names, event_versions, event_jobs, event_ids,
                      event_times, event_data, event_quiet)
         AS happened (place, ordinal, user_id, name, version, job_id, id, occurred_at, data, is_quiet);
    IF cardinality(user_uids) > 0 THEN
        UPDATE users
        SET version = moved.version, hash = moved.hash, decided_at = moved.decided_at, mac = moved.mac
        FROM UNNEST(user_shards, user_uids, user_versions, user_hashes, user_times, user_macs)
             AS moved (shard, uid, version, hash, decided_at, mac)
        WHERE users.shard = moved.shard AND users.uid = moved.uid;
    END IF;
    IF known > 0 THEN
        UPDATE holdings
        SET quantity = held.quantity,
            granted_total = held.granted_total,
            used_total = held.used_total,
            last_granted_at = COALESCE(held.last_granted_at, holdings.last_granted_at),
            last_used_at = COALESCE(held.last_used_at, holdings.last_used_at),
            updated_at = CASE WHEN holdings.quantity = held.quantity THEN holdings.updated_at ELSE moment END
        FROM UNNEST(held_shards, held_uids, held_items, held_quantities, held_granted, held_used, held_granted_at,
                    held_used_at, held_found)
             AS held (shard, uid, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at, found)
        WHERE holdings.shard = held.shard AND holdings.uid = held.uid AND holdings.item_id = held.item_id
          AND holdings.quantity = held.found;
        GET DIAGNOSTICS updated = ROW_COUNT;
        IF updated <> known THEN
            RAISE EXCEPTION 'a holding is not as it was found' USING ERRCODE = 'SA001';
        END IF;
    END IF;
    IF known < cardinality(held_uids) THEN
        INSERT INTO holdings (shard, uid, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at,
                              updated_at)
        SELECT held.shard, held.uid, held.item_id, held.quantity, held.granted_total, held.used_total, held.last_granted_at,
               held.last_used_at, moment
        FROM UNNEST(held_shards, held_uids, held_items, held_quantities, held_granted, held_used, held_granted_at,
                    held_used_at, held_found)
             AS held (shard, uid, item_id, quantity, granted_total, used_total, last_granted_at, last_used_at, found)
        WHERE held.found IS NULL;
    END IF;
END
$$;

-- A whole batch, decided on what its worker remembers, in one statement that is its own transaction: only if the worker has the
-- leases, nothing is paused, the catalogue is the one decided by, the time is now, and each user's ledger ends where it did.
-- `refusal` says what is otherwise: nothing was written then. `clock` is this database's clock.
CREATE FUNCTION apply_batch(
    worker uuid, lease_shards integer[], lease_epochs bigint[], by_catalogue bigint,
    found_shards smallint[], found_uids bigint[], found_versions bigint[], found_hashes bytea[],
    moment timestamptz,
    record_shards smallint[], record_uids bigint[], record_seqs bigint[], record_jobs uuid[], record_counts smallint[],
    record_rejected boolean[], record_bodies text[], record_seals bytea[],
    user_shards smallint[], user_uids bigint[], user_versions bigint[], user_hashes bytea[], user_times timestamptz[],
    user_macs bytea[],
    held_shards smallint[], held_uids bigint[], held_items text[], held_quantities bigint[], held_granted bigint[],
    held_used bigint[], held_granted_at timestamptz[], held_used_at timestamptz[], held_found bigint[], known bigint,
    counted_shards integer[], counted_applied bigint[], counted_rejected bigint[], counted_events bigint[],
    event_places integer[], event_ordinals bigint[], event_users text[], event_names text[], event_versions smallint[],
    event_jobs uuid[], event_ids text[], event_times timestamptz[], event_data text[], event_quiet boolean[],
    OUT refusal text, OUT clock timestamptz
)
LANGUAGE plpgsql SET search_path = public, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    leased bigint;
    unchanged bigint;
BEGIN
    -- Each statement sees what was committed before it: the rules are read under the lock, the ledgers under theirs.
    LOCK TABLE rules_gate IN ROW EXCLUSIVE MODE;
    SELECT count(*) INTO leased
    FROM (
        SELECT
        FROM UNNEST(lease_shards, lease_epochs) AS claimed (shard, epoch)
        JOIN shard_leases USING (shard, epoch)
        WHERE owner = worker
        ORDER BY shard_leases.shard
        FOR SHARE OF shard_leases SKIP LOCKED
    ) AS held;
    clock := clock_timestamp();
    SELECT CASE
        WHEN leased < cardinality(lease_shards) THEN 'leases'
        WHEN is_paused THEN 'pause'
        WHEN by_catalogue <> (SELECT COALESCE(max(version), 0) FROM catalogue_versions) THEN 'catalogue'
        WHEN moment NOT BETWEEN clock - interval '2 seconds' AND clock THEN 'clock'
    END INTO refusal
    FROM queue_state
    WHERE singleton;
    IF refusal IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT count(*) INTO unchanged
    FROM (
        SELECT users.version, users.hash, users.is_blocked, found.version AS found_version, found.hash AS found_hash
        FROM UNNEST(found_shards, found_uids, found_versions, found_hashes) AS found (shard, uid, version, hash)
        JOIN users ON users.shard = found.shard AND users.uid = found.uid
        ORDER BY users.shard, users.uid
        FOR NO KEY UPDATE OF users
    ) AS locked
    WHERE version = found_version AND hash = found_hash AND NOT is_blocked;
    IF unchanged < cardinality(found_uids) THEN
        refusal := 'users';
        RETURN;
    END IF;
    PERFORM write_batch(
        moment, record_shards, record_uids, record_seqs, record_jobs, record_counts, record_rejected, record_bodies, record_seals,
        user_shards, user_uids, user_versions, user_hashes, user_times, user_macs,
        held_shards, held_uids, held_items, held_quantities, held_granted, held_used, held_granted_at, held_used_at, held_found,
        known, counted_shards, counted_applied, counted_rejected, counted_events,
        event_places, event_ordinals, event_users, event_names, event_versions, event_jobs, event_ids, event_times, event_data,
        event_quiet
    );
END
$$;
