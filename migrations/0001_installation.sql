-- The installation: its id, whether it applies jobs, its API keys, and what operators did.
--
-- In all files: ids are compared byte by byte (COLLATE "C"), as the domain orders them. What is more than a program may do itself
-- is a function that acts as the owner (SECURITY DEFINER) and looks at what it is given.

-- For tables to which rows are added, never changed. Their triggers also run where triggers are switched off for replication
-- (session_replication_role = replica): ENABLE ALWAYS.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % refused: it is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- One row.
CREATE TABLE queue_state (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    -- The queue says the same: two installations that share one by mistake take nothing of each other.
    installation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    -- Whether no jobs are applied.
    is_paused boolean NOT NULL DEFAULT false,
    changed_at timestamptz,
    changed_by text,
    reason text
);
INSERT INTO queue_state DEFAULT VALUES;

-- Says whether jobs are applied.
CREATE FUNCTION set_queue_paused(paused boolean, changer text, why text) RETURNS queue_state
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE queue_state
    SET is_paused = paused, changed_at = clock_timestamp(), changed_by = changer, reason = why
    WHERE singleton
    RETURNING *
$$;

-- One row that means nothing: /readyz writes it to find out whether Postgres takes writes at all, not whether it answers.
CREATE TABLE readiness (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    checked_at timestamptz
) WITH (fillfactor = 10);
INSERT INTO readiness DEFAULT VALUES;

-- Made by the owner.
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

CREATE TABLE operator_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    request_id text NOT NULL,
    action text NOT NULL,
    job_id uuid,
    detail json NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON operator_actions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE operator_actions ENABLE ALWAYS TRIGGER append_only;
