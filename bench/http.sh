#!/usr/bin/env bash
# Loads a fresh `satchel dev` over HTTP and says how many jobs were accepted and applied.
#
#   [KEYS=1] bench/http.sh [CONNECTIONS [SECONDS [JOBS_PER_REQUEST]]]     default: 64 connections, 10 s, single jobs
#
# KEYS=1 gives every job an idempotency key of its own.
#
# Needs wrk (apt-get install wrk) and a release build. Everything runs on this machine, load generator included.
set -euo pipefail
cd "$(dirname "$0")/.."
connections=${1:-64} seconds=${2:-10} array=${3:-0} port=${PORT:-18080}

command -v wrk >/dev/null || { echo "bench: install wrk first (apt-get install wrk, brew install wrk)" >&2; exit 1; }
cargo build --release -q -p satchel-cli
satchel=target/release/satchel
dir=$(mktemp -d)
"$satchel" dev --data-dir "$dir/data" --port "$port" >"$dir/out" 2>"$dir/log" &
dev=$!
trap 'kill -INT $dev 2>/dev/null || true; wait $dev || true; rm -rf "$dir"' EXIT
for _ in $(seq 300); do grep -q ^ready "$dir/out" && break; sleep 0.1; done
grep -q ^ready "$dir/out" || { cat "$dir/log" >&2; exit 1; }

# The job counts come from Postgres, not from what was answered.
url=$(. "$dir/data/dev.env" && echo "$SATCHEL_OWNER_DATABASE_URL")
jobs() { psql "$url" -tAc 'SELECT count(*) FROM jobs'; }
load() { wrk -t1 -c"$connections" -d"$1s" -s bench/reward.lua "http://127.0.0.1:$port/api/v1/jobs"; }
TOKEN=$("$satchel" token --data-dir "$dir/data" --role service --sub bench)
export TOKEN ARRAY=$array

load 2 >/dev/null # warm up: the players' rows are made
sleep 1
before=$(jobs)
report=$(load "$seconds")
during=$(jobs)
grep -E 'Requests/sec|Latency|answers' <<<"$report"
echo "applied: $(((during - before) / seconds)) jobs/s while the load ran"
for _ in $(seq 60); do
    sleep 0.5
    after=$(jobs)
    [ "$after" -eq "$during" ] && break
    echo "left in the queue: $((after - during)) more applied since"
    during=$after
done
"$satchel" audit --data-dir "$dir/data"
