-- What each shard of the queue has had at least: a time in the queue's own store, which only rises there, and which is noted
-- here once it is there. A queue that has an earlier one, or none, has forgotten what came since.
CREATE TABLE queue_watermarks (
    shard integer PRIMARY KEY,
    -- The time that the queue is known to have had; NULL if none.
    marked_at timestamptz,
    -- Nothing waited then that was accepted before; NULL if that is not known, since delayed jobs waited.
    waiting_since timestamptz,
    -- When it was last seen that the queue has forgotten something, and since when accepted jobs may be gone; NULL there:
    -- whatever waited.
    began_anew_at timestamptz,
    lost_since timestamptz,
    CONSTRAINT readable_times CHECK (
        marked_at BETWEEN '4000-01-01 00:00:00+00 BC' AND '11000-01-01 00:00:00+00'
        AND waiting_since BETWEEN '4000-01-01 00:00:00+00 BC' AND '11000-01-01 00:00:00+00'
        AND began_anew_at BETWEEN '4000-01-01 00:00:00+00 BC' AND '11000-01-01 00:00:00+00'
        AND lost_since BETWEEN '4000-01-01 00:00:00+00 BC' AND '11000-01-01 00:00:00+00'
    )
) WITH (fillfactor = 10);
INSERT INTO queue_watermarks (shard) SELECT shard FROM shard_leases;
GRANT SELECT ON queue_watermarks TO satchel_api, satchel_worker;
GRANT UPDATE (marked_at, waiting_since, began_anew_at, lost_since) ON queue_watermarks TO satchel_worker;
