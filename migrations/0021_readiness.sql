-- One row that means nothing: /readyz writes it to find out whether Postgres takes writes at all, not whether it answers.
CREATE TABLE readiness (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    checked_at timestamptz
) WITH (fillfactor = 10);
INSERT INTO readiness DEFAULT VALUES;
GRANT SELECT, UPDATE (checked_at) ON readiness TO satchel_app;
