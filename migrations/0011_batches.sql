-- A batch's reads, its writes in one call, and a whole batch in one: they fence, compare and write, and know no rule of the game.

-- The users of a batch that its worker does not remember, and what they have of the items that are asked for, all of one moment and
-- without locks; users that are not there are made. An item that nobody asks for is ''. A user or item may be named twice.
CREATE FUNCTION find_holdings(of_users text[], of_shards integer[], of_items text[])
RETURNS TABLE (
    nth bigint, shard integer, uid bigint, version bigint, hash bytea, decided_at timestamptz, is_blocked boolean, mac bytea,
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

-- A batch's writes in one call. With a worker it is a whole batch in one statement that is its own transaction: only if the worker has
-- the leases, nothing is paused, the catalogue is the one decided by, the time is now, and each user's ledger ends where it did.
-- `refusal` says what is otherwise (of users and holdings an exception does): nothing was written then. Without one, its transaction has
-- fenced and locked, and what users were found at is NULL. Each user is named once, in order of shard and number; what does not change
-- of one is NULL. `held_found` has the quantity of each holding that was there, NULL for those that are new; `known` of them are not.
-- `clock` is this database's clock.
CREATE FUNCTION apply_batch(
    worker uuid, lease_shards integer[], lease_epochs bigint[], by_catalogue bigint,
    moment timestamptz,
    record_shards integer[], record_uids bigint[], record_seqs bigint[], record_jobs uuid[], record_counts smallint[],
    record_rejected boolean[], record_bodies text[], record_seals bytea[],
    claimed_jobs uuid[], claimed_shards integer[],
    user_shards integer[], user_uids bigint[], found_versions bigint[], found_hashes bytea[],
    user_versions bigint[], user_hashes bytea[], user_times timestamptz[], user_macs bytea[],
    held_shards integer[], held_uids bigint[], held_items text[], held_quantities bigint[], held_granted bigint[],
    held_used bigint[], held_granted_at timestamptz[], held_used_at timestamptz[], held_found bigint[], known bigint,
    counted_shards integer[], counted_applied bigint[], counted_rejected bigint[], counted_events integer[],
    counted_firsts integer[], counted_kinds text[], counted_roots bytea[],
    event_uids bigint[], event_jobs uuid[], event_kinds smallint[], event_details text[],
    OUT refusal text, OUT clock timestamptz
)
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    leased bigint;
    updated bigint;
BEGIN
    clock := clock_timestamp();
    IF worker IS NOT NULL THEN
        PERFORM set_config('lock_timeout', '1s', true);
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
    END IF;
    IF cardinality(user_uids) > 0 THEN
        UPDATE users
        SET version = COALESCE(moved.version, users.version),
            hash = COALESCE(moved.hash, users.hash),
            decided_at = COALESCE(moved.decided_at, users.decided_at),
            mac = COALESCE(moved.mac, users.mac)
        FROM UNNEST(user_shards, user_uids, found_versions, found_hashes, user_versions, user_hashes, user_times, user_macs)
             AS moved (shard, uid, found_version, found_hash, version, hash, decided_at, mac)
        WHERE users.shard = moved.shard AND users.uid = moved.uid
          AND (worker IS NULL OR users.version = moved.found_version AND users.hash = moved.found_hash AND NOT users.is_blocked);
        GET DIAGNOSTICS updated = ROW_COUNT;
        IF updated < cardinality(user_uids) THEN
            RAISE EXCEPTION 'a ledger does not end where it did' USING ERRCODE = 'SA002';
        END IF;
    END IF;
    IF cardinality(claimed_jobs) > 0 AND cardinality(claim_jobs(claimed_jobs, claimed_shards)) < cardinality(claimed_jobs) THEN
        RAISE EXCEPTION 'another shard has decided the job' USING ERRCODE = 'unique_violation', CONSTRAINT = 'job_claims_pkey';
    END IF;
    IF cardinality(record_uids) > 0 THEN
        INSERT INTO records (shard, uid, seq, at, job_id, count, is_rejected, body, seal)
        SELECT decided.shard, decided.uid, decided.seq, moment, decided.job_id, decided.count, decided.is_rejected, decided.body,
               decided.seal
        FROM UNNEST(record_shards, record_uids, record_seqs, record_jobs, record_counts, record_rejected, record_bodies,
                    record_seals)
             AS decided (shard, uid, seq, job_id, count, is_rejected, body, seal);
    END IF;
    PERFORM add_events(moment, counted_shards, counted_applied, counted_rejected, counted_events, counted_firsts, counted_kinds,
                       counted_roots, event_uids, event_jobs, event_kinds, event_details);
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
