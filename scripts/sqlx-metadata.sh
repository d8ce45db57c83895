#!/usr/bin/env bash
# Renews shared/store/.sqlx, against which builds without a database check the SQL. With --check only says whether it is
# up to date. Needs the installed Postgres and nothing else: the macros themselves write the metadata, into
# SQLX_OFFLINE_DIR, while the crate is checked against a scratch database with the schema of migrations/.
set -euo pipefail
cd "$(dirname "$0")/.."

metadata=shared/store/.sqlx
target=${CARGO_TARGET_DIR:-target}
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

# A target directory of its own: the macros only write when they are expanded, so the crate must be checked anew,
# and ordinary builds must not have to start again because of that.
cargo clean -q -p satchel-store --target-dir "$target/sqlx-metadata" 2>/dev/null || true
cargo run -q -p satchel-private --bin with-private-postgres -- migrations \
    env SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$fresh" \
    cargo check -q -p satchel-store --all-targets --target-dir "$target/sqlx-metadata"

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
