#!/bin/sh
# Run once by the Postgres image, with a new database: the owner of Satchel's schema, who is no superuser.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv password SATCHEL_OWNER_PASSWORD
CREATE ROLE satchel_owner LOGIN CREATEROLE;
SET password_encryption = 'scram-sha-256';
SELECT set_config('log_min_duration_statement', '-1', false), set_config('log_statement', 'none', false) \g /dev/null
ALTER ROLE satchel_owner PASSWORD :'password';
CREATE DATABASE satchel OWNER satchel_owner;
SQL
