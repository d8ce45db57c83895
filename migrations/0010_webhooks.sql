-- Webhooks: whom events are posted to.

CREATE TABLE webhook_endpoints (
    endpoint_id uuid PRIMARY KEY,
    url text NOT NULL,
    -- The names of the events that it gets; none: all.
    events text[] NOT NULL,
    description text NOT NULL,
    is_enabled boolean NOT NULL DEFAULT true,
    -- Why it is not, if nobody has asked for that.
    disabled_reason text,
    -- Sealed (shared/security/src/sealing.rs): none is ever written in clear. The previous one counts until its time has passed.
    secret text NOT NULL CHECK (secret LIKE 'sealed%:%'),
    previous_secret text CHECK (previous_secret LIKE 'sealed%:%'),
    previous_secret_until timestamptz,
    -- Since the last success, and when the first of them was.
    consecutive_failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    -- Nothing is sent until then, but for one delivery when it has passed, to see.
    open_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL)),
    CHECK ((consecutive_failures = 0) = (failing_since IS NULL)),
    CHECK (disabled_reason IS NULL OR NOT is_enabled)
);

-- Tells of an operator's try of a webhook endpoint: the event's number in its shard.
CREATE FUNCTION tell_webhook_ping(of_endpoint uuid, of_shard integer, event_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM add_events(
        clock_timestamp(), ARRAY[of_shard], ARRAY[0::bigint], ARRAY[0::bigint], ARRAY[1], ARRAY[1], ARRAY['[["webhook/ping",1]]'],
        NULL, ARRAY[uid_of('webhook:' || of_endpoint, of_shard)], ARRAY[NULL::uuid], NULL,
        ARRAY[json_build_object('id', event_id, 'data', json_build_object('endpointId', of_endpoint))::text]
    );
    RETURN (SELECT events FROM shard_counters WHERE shard = of_shard);
END
$$;
