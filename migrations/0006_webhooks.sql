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
    -- whsec_ and base64. Who signs must know them. The previous one counts until its time has passed.
    secret text NOT NULL,
    previous_secret text,
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

GRANT SELECT, INSERT, DELETE,
    UPDATE (url, events, description, is_enabled, disabled_reason, secret, previous_secret, previous_secret_until,
            consecutive_failures, failing_since, open_until, updated_at) ON webhook_endpoints TO satchel_app;

-- The deliveries of an endpoint, and which targets have something due.
CREATE INDEX function_runs_of_target ON function_runs (function_id, target, created_at, run_id) WHERE target <> '';
CREATE INDEX function_runs_due_of_target ON function_runs (function_id, target, due_at)
    WHERE target <> '' AND status IN ('queued', 'retrying', 'sleeping');
