#!/usr/bin/env bash
# Renews shared/store/.sqlx, against which builds without a database check the SQL. With --check only says whether it is
# up to date. Needs the installed Postgres and nothing else: the macros themselves write the metadata, into
# SQLX_OFFLINE_DIR, while the crate is checked against a scratch database with the schema of migrations/.
set -euo pipefail
cd "$(dirname "$0")/.."

metadata=shared/store/.sqlx
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

# The whole workspace, although only one crate has SQL: its crates are then the same that other commands build. That the macros
# are expanded anew is seen to by shared/store/src/lib.rs, which depends on SQLX_OFFLINE_DIR.
cargo build -q --workspace --bin with-private-postgres
"${CARGO_TARGET_DIR:-target}/debug/with-private-postgres" migrations \
    env SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" cargo check -q --workspace

if [ "${1:-}" = --check ]; then
    if ! diff -rq "$fresh" "$metadata" >&2; then
        echo "SQL metadata is out of date: run make sqlx-metadata and commit $metadata" >&2
        exit 1
    fi
    exit 0
fi
mkdir -p "$metadata"
find "$metadata" -name 'query-*.json' -delete
cp "$fresh"/query-*.json "$metadata"/
echo "$metadata: $(find "$metadata" -name 'query-*.json' | wc -l | tr -d ' ') queries"
