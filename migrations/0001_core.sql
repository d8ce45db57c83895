-- The first schema. Run by the owner; `satchel migrate` has made the role satchel_app before it.
-- Ids are compared byte by byte (COLLATE "C"), as the domain orders them.

CREATE TABLE users (
    user_id text COLLATE "C" PRIMARY KEY,
    -- How many ledger entries the user has; the last one's seq.
    version bigint NOT NULL CHECK (version >= 0),
    -- The last ledger entry's hash; 32 zero bytes before the first.
    head bytea NOT NULL CHECK (octet_length(head) = 32)
) WITH (fillfactor = 80);

CREATE TABLE inventory (
    user_id text COLLATE "C" NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 0),
    granted_total bigint NOT NULL CHECK (granted_total >= 0),
    used_total bigint NOT NULL CHECK (used_total >= 0),
    last_granted_at timestamptz,
    last_used_at timestamptz,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, item_id)
) WITH (fillfactor = 80);

CREATE TABLE jobs (
    user_id text COLLATE "C" NOT NULL,
    job_id uuid NOT NULL,
    type text NOT NULL,
    payload_hash bytea NOT NULL CHECK (octet_length(payload_hash) = 32),
    status text NOT NULL CHECK (status IN ('applied', 'rejected')),
    result json NOT NULL,
    actor text NOT NULL,
    request_id text NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 1),
    submitted_at timestamptz NOT NULL,
    applied_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, job_id),
    -- An idempotency key names one job whoever the user is.
    UNIQUE (job_id)
);

CREATE TABLE ledger (
    user_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 1),
    job_id uuid NOT NULL,
    item_id text COLLATE "C" NOT NULL,
    delta bigint NOT NULL CHECK (delta <> 0),
    balance bigint NOT NULL CHECK (balance >= 0),
    type text NOT NULL,
    actor text NOT NULL,
    reason text,
    request_id text NOT NULL,
    cause text,
    catalogue_version bigint NOT NULL,
    at timestamptz NOT NULL,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (user_id, seq)
);

CREATE TABLE catalogue_versions (
    version bigint PRIMARY KEY CHECK (version >= 1),
    document json NOT NULL,
    published_by text NOT NULL,
    request_id text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE items (
    version bigint NOT NULL REFERENCES catalogue_versions,
    item_id text COLLATE "C" NOT NULL,
    definition json NOT NULL,
    PRIMARY KEY (version, item_id)
);

-- A worker process and until when it counts as alive, by this database's clock.
CREATE TABLE workers (
    worker_id uuid PRIMARY KEY,
    expires_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- One row per shard; their number is the number of shards. A shard is free when its owner is not a live worker.
CREATE TABLE shard_leases (
    shard integer PRIMARY KEY CHECK (shard >= 0),
    owner uuid,
    -- Rises with every change of owner: the fencing token that each batch transaction checks.
    epoch bigint NOT NULL DEFAULT 0
);

-- Queue entries that could not be trusted or read, kept as they were for an operator.
CREATE TABLE quarantined_entries (
    shard integer NOT NULL,
    entry_id text NOT NULL,
    -- SHA-256 of the body: entry ids come again when a Redis starts empty.
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    reason text NOT NULL,
    body bytea NOT NULL,
    body_bytes bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (shard, entry_id, digest)
);

CREATE TABLE api_keys (
    prefix text COLLATE "C" PRIMARY KEY,
    secret_hash bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('service', 'operator')),
    subject text NOT NULL,
    scopes text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz
);

-- What has happened stays: rows of these tables are added, never changed.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % refused: it is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalogue_versions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON items
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Also where triggers are switched off for replication (session_replication_role = replica).
ALTER TABLE ledger ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE catalogue_versions ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE items ENABLE ALWAYS TRIGGER append_only;

-- Least privilege: what the service does and nothing more. Keys are made by the owner.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE (version, head) ON users TO satchel_app;
GRANT SELECT, INSERT,
    UPDATE (quantity, granted_total, used_total, last_granted_at, last_used_at, updated_at)
    ON inventory TO satchel_app;
GRANT SELECT, INSERT ON jobs, ledger, catalogue_versions, items, quarantined_entries TO satchel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO satchel_app;
GRANT SELECT, UPDATE (owner, epoch) ON shard_leases TO satchel_app;
GRANT SELECT ON api_keys TO satchel_app;
