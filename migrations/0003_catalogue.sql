-- The catalogue, and the order of batches and changes of the rules that they are decided under.

CREATE TABLE catalogue_versions (
    version bigint PRIMARY KEY CHECK (version >= 1),
    document json NOT NULL,
    published_by text NOT NULL,
    request_id text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalogue_versions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE catalogue_versions ENABLE ALWAYS TRIGGER append_only;

CREATE TABLE items (
    version bigint NOT NULL REFERENCES catalogue_versions,
    item_id text COLLATE "C" NOT NULL,
    definition json NOT NULL,
    PRIMARY KEY (version, item_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON items
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE items ENABLE ALWAYS TRIGGER append_only;

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

-- Adds a version, which must be the next one, with its items.
CREATE FUNCTION publish_catalogue(new_version bigint, new_document json, publisher text, request text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF json_typeof(new_document -> 'items') IS DISTINCT FROM 'object' THEN
        RAISE EXCEPTION 'a catalogue has items' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO catalogue_versions (version, document, published_by, request_id)
    VALUES (new_version, new_document, publisher, request);
    INSERT INTO items (version, item_id, definition)
    SELECT new_version, key, value
    FROM json_each(new_document -> 'items');
END
$$;

-- Orders batches and changes of the rules that they are decided under, which are the catalogue and whether the queue is
-- paused. A batch locks it in a mode (ROW EXCLUSIVE) that goes together with itself and takes no other right than INSERT; who
-- changes the rules, in one that does not. So nobody can keep batches waiting but by calling this function, which those who
-- decide nothing cannot; an advisory lock, anybody could hold.
CREATE TABLE rules_gate (nothing boolean, CHECK (false));
CREATE FUNCTION change_rules() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    LOCK TABLE rules_gate IN EXCLUSIVE MODE;
END
$$;
