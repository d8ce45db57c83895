#!/usr/bin/env bash
# How jobs/s grow with worker processes, and how long a shard stands still when its worker leaves, joins or dies.
#
#   bench/scaling.sh [JOBS]     default: about 200,000 jobs for each number of workers
#
# Starts a fresh `satchel dev` without workers, fills the queue over HTTP with wrk, then drains it with 1, 2 and 4
# satchel-worker processes. After that it loads two workers steadily while a third joins, one is stopped and one killed.
# All times are the database's. Needs wrk and jq. Everything runs on this machine, load generator included.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${1:-200000} port=${PORT:-18081}

for tool in wrk jq; do
    command -v $tool >/dev/null || { echo "bench: install $tool first" >&2; exit 1; }
done
cargo build --release -q -p satchel-cli -p satchel-worker
satchel=target/release/satchel
dir=$(mktemp -d)
declare -a workers=()
"$satchel" dev --data-dir "$dir/data" --port "$port" --workers 0 >"$dir/out" 2>"$dir/log" &
dev=$!
stop_all() {
    for pid in "${workers[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in "${workers[@]}"; do wait "$pid" 2>/dev/null || true; done
    workers=()
}
trap 'stop_all; kill -INT $dev 2>/dev/null || true; wait $dev || true; rm -rf "$dir"' EXIT
for _ in $(seq 600); do grep -q ^ready "$dir/out" && break; sleep 0.1; done
grep -q ^ready "$dir/out" || { cat "$dir/log" >&2; exit 1; }

set -a; . "$dir/data/dev.env"; set +a
url=$SATCHEL_OWNER_DATABASE_URL
sql() { psql "$url" -qtA -c "$1"; }
token() { "$satchel" token --data-dir "$dir/data" --role "$1" --sub bench; }
operator=$(token operator)
waiting() {
    curl -sS "http://127.0.0.1:$port/api/v1/queues/stats" -H "Authorization: Bearer $operator" |
        jq '.stats.waiting + .stats.active'
}
start_worker() {
    SATCHEL_LOG=warn target/release/satchel-worker >>"$dir/workers" 2>&1 &
    workers+=($!)
}
TOKEN=$(token service)
export TOKEN
load() { ARRAY=$3 wrk -t1 -c"$1" -d"$2s" -s bench/reward.lua "http://127.0.0.1:$port/api/v1/jobs" >/dev/null; }

echo "drain, about $jobs jobs of 10,000 players each time:"
for count in 1 2 4; do
    while [ "$(waiting)" -lt "$jobs" ]; do load 4 1 100; done
    before=$(sql 'SELECT clock_timestamp()')
    for _ in $(seq "$count"); do start_worker; done
    while [ "$(waiting)" -gt 0 ]; do sleep 0.5; done
    sql "SELECT format('  %s worker(s): %s jobs in %s s: %s jobs/s', $count, count(*), round(seconds, 1),
                       round(count(*) / seconds))
         FROM jobs,
              (SELECT extract(epoch FROM max(applied_at) - min(applied_at)) AS seconds
               FROM jobs WHERE applied_at > '$before') AS took
         WHERE applied_at > '$before' GROUP BY seconds"
    stop_all
done

# The longest time without an applied job, over all shards, while something was waiting for each of them all the time.
stillness() {
    sql "WITH applied AS (
             SELECT get_byte(sha256(convert_to(user_id, 'UTF8')), 7) & 63 AS shard, applied_at FROM jobs
             WHERE applied_at > '$1'
         ), gaps AS (
             SELECT applied_at - lag(applied_at) OVER (PARTITION BY shard ORDER BY applied_at) AS gap FROM applied
         )
         SELECT format('  %s: %s ms', '$2', round(extract(epoch FROM max(gap)) * 1000)) FROM gaps"
}
echo "hand-over under load, the longest time that any shard stood still:"
start_worker; start_worker
load 16 45 0 &
loading=$!
sleep 5
step() {
    local from
    from=$(sql 'SELECT clock_timestamp()')
    sleep 1
    eval "$2"
    sleep "$3"
    stillness "$from" "$1"
}
step "nothing happens" true 4
step "a third worker joins" start_worker 4
step "a worker is stopped (SIGTERM)" 'kill -TERM "${workers[0]}"' 4
step "a worker is killed (SIGKILL), lease TTL 15 s" 'kill -KILL "${workers[1]}"' 20
wait $loading
while [ "$(waiting)" -gt 0 ]; do sleep 0.5; done
stop_all
"$satchel" audit --data-dir "$dir/data"
