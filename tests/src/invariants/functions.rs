//! D, the second half: each event reaches each function that hears of it, or its run is shown.

use satchel_testkit::{Satchel, wait};

/// Waits until every event was given to functions, if any worker lives that would.
pub(super) async fn every_event_is_given(satchel: &Satchel) {
    let owner = &satchel.database.owner;
    if owner.number("SELECT count(*) FROM functions") == 0 || !satchel.has_workers() {
        return;
    }
    let left = "SELECT count(*) FROM event_cursors JOIN shard_counters USING (shard) WHERE events > dispatched";
    wait::until_true("every event is given to functions", || owner.number(left) == 0).await;
}

/// For each event that was given, of a job that was not quiet, and each function that heard of it, there is one run, apart from replays and from
/// functions with targets; none is there for anything else.
pub(super) fn each_event_has_a_run(satchel: &Satchel, violations: &mut Vec<String>) {
    let wrong = satchel.database.owner.rows(
        "WITH expected AS (
             SELECT function_id, events.shard, events.seq
             FROM functions
             JOIN events ON description ->> 'events' = 'all'
                 OR events.name IN (SELECT json_array_elements_text(
                        CASE WHEN json_typeof(description -> 'events') = 'array' THEN description -> 'events' ELSE '[]' END))
             JOIN event_cursors ON event_cursors.shard = events.shard AND events.seq <= dispatched
             WHERE description ->> 'fanout' = 'one' AND is_quiet IS NULL
         ), found AS (
             SELECT function_id, shard, event_seq AS seq, count(*) AS runs
             FROM function_runs
             JOIN functions USING (function_id)
             WHERE replay_id IS NULL AND description ->> 'fanout' = 'one'
             GROUP BY function_id, shard, event_seq
         )
         SELECT function_id, shard, seq, runs
         FROM expected
         FULL JOIN found USING (function_id, shard, seq)
         WHERE runs IS DISTINCT FROM 1 OR expected.seq IS NULL",
    );
    violations.extend(wrong.iter().map(|run| format!("D: an event has not one run of a function: {run}")));
}

/// The same for webhook endpoints that were there all the time as they are now: each got what it wants.
pub(super) fn each_endpoint_has_its_runs(satchel: &Satchel, violations: &mut Vec<String>) {
    let missing = satchel.database.owner.rows(
        "SELECT endpoint_id, shard, seq
         FROM webhook_endpoints
         JOIN events ON events.at > created_at AND name <> 'webhook/ping'
             AND (cardinality(webhook_endpoints.events) = 0 OR name = ANY(webhook_endpoints.events))
         JOIN event_cursors USING (shard)
         WHERE seq <= dispatched AND is_quiet IS NULL AND is_enabled AND updated_at = created_at
           AND EXISTS (SELECT FROM functions WHERE function_id = 'event-any-webhook-sender')
           AND NOT EXISTS (
               SELECT FROM function_runs
               WHERE function_id = 'event-any-webhook-sender' AND target = endpoint_id::text AND replay_id IS NULL
                 AND function_runs.shard = event_cursors.shard AND event_seq = seq
           )",
    );
    violations.extend(missing.iter().map(|run| format!("D: an event has no run for an endpoint: {run}")));
}

/// Of functions in order one run of each user goes on, and what is held waits for one.
pub(super) fn one_run_goes_on_before_those_held(satchel: &Satchel, violations: &mut Vec<String>) {
    let wrong = satchel.database.owner.rows(
        "SELECT function_id, user_id, target, active, held
         FROM (
             SELECT function_id, user_id, target, count(*) FILTER (WHERE status <> 'held') AS active,
                    count(*) FILTER (WHERE status = 'held') AS held
             FROM function_runs
             WHERE is_ordered AND finished_at IS NULL
             GROUP BY function_id, user_id, target, replay_id
         ) AS of_user
         WHERE active > 1 OR active = 0 AND held > 0",
    );
    violations.extend(wrong.iter().map(|run| format!("F: runs in order do not follow each other: {run}")));
}
