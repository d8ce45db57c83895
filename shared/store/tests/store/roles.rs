//! What each program's login may do, table by table and function by function: whoever grants more, or adds a table, says so here.

use crate::database::Database;

/// For each table the rights of each role that has any; of a right that does not hold for all columns, the columns.
const TABLES: &str = "\
api_keys
  satchel_api SELECT
api_replicas
  satchel_api SELECT, INSERT, UPDATE, DELETE
archived_jobs
  satchel_api SELECT (job_id)
catalogue_versions
  satchel_api SELECT
  satchel_worker SELECT
event_batches
  satchel_api SELECT
  satchel_worker SELECT
event_cursors
  satchel_api SELECT
  satchel_worker SELECT, UPDATE (dispatched)
events
  satchel_api SELECT
  satchel_worker SELECT
function_paces
  satchel_worker SELECT, INSERT, UPDATE (spent_until)
function_replay_shards
  satchel_api SELECT, INSERT
  satchel_worker SELECT, UPDATE (next_seq), DELETE
function_replays
  satchel_api SELECT, INSERT (asked_by, event_name, from_time, function_id, include_quiet, replay_id, to_time, user_id)
  satchel_worker SELECT
function_runs
  satchel_api SELECT, UPDATE (is_wanted)
  satchel_worker SELECT, INSERT (event_name, event_seq, function_id, is_ordered, replay_id, run_id, shard, status, target, user_id), UPDATE (attempts, due_at, epoch, failures, finished_at, status, tries, worker_id)
function_steps
  satchel_api SELECT
  satchel_worker SELECT, INSERT (nth, result, run_id, shard, step_hash, step_id)
functions
  satchel_api SELECT, UPDATE (is_paused, pause_changed_at, pause_changed_by, pause_reason)
  satchel_worker SELECT, INSERT (description, function_id, seen_at), UPDATE (description, seen_at)
holdings
  satchel_api SELECT
  satchel_worker SELECT, INSERT, UPDATE (granted_total, last_granted_at, last_used_at, quantity, updated_at, used_total)
inventory
items
  satchel_api SELECT
job_claims
  satchel_worker SELECT, INSERT
jobs
journal
  satchel_api SELECT, INSERT (accepted_at, actor, body, envelope_version, job_id, mac, not_before, payload_hash, seq, shard, submitted_at, type, user_id)
  satchel_worker SELECT, UPDATE (refed_at), DELETE
journal_seq
  satchel_api USAGE
ledger
live_workers
  satchel_api SELECT
  satchel_worker SELECT
operator_actions
  satchel_api SELECT, INSERT (action, actor, detail, job_id, request_id)
operator_actions_id_seq
parked_jobs
  satchel_api SELECT
  satchel_worker SELECT, INSERT, UPDATE (attempts, failures, next_attempt_at, parked_at, state, tries), DELETE
parked_jobs_position_seq
quarantined_entries
  satchel_worker INSERT
queue_state
  satchel_api SELECT
  satchel_worker SELECT
queue_watermarks
  satchel_api SELECT
  satchel_worker SELECT, UPDATE (began_anew_at, lost_since, marked_at, waiting_since)
readiness
  satchel_api SELECT, UPDATE (checked_at)
records
  satchel_api SELECT
  satchel_worker SELECT, INSERT
rule_grants
  satchel_api SELECT
  satchel_worker SELECT, INSERT
rules_gate
  satchel_worker INSERT
shard_activity
  satchel_api SELECT
  satchel_worker SELECT, UPDATE (active, per_second, reported_by, sampled, sampled_at)
shard_counters
  satchel_api SELECT
  satchel_worker SELECT
shard_leases
  satchel_api SELECT
  satchel_worker SELECT, UPDATE (epoch, owner)
user_names
  satchel_api SELECT
  satchel_worker SELECT, INSERT (shard, user_id)
user_names_uid_seq
users
  satchel_api SELECT
  satchel_worker SELECT, INSERT (shard, uid), UPDATE (decided_at, hash, is_blocked, mac, version)
webhook_endpoints
  satchel_api SELECT, INSERT (description, endpoint_id, events, is_enabled, secret, url), UPDATE (consecutive_failures, description, disabled_reason, events, failing_since, is_enabled, open_until, previous_secret, previous_secret_until, secret, updated_at, url), DELETE
  satchel_worker SELECT, UPDATE (consecutive_failures, disabled_reason, failing_since, is_enabled, open_until)
withdrawals
  satchel_api SELECT (job_id)
workers
  satchel_worker SELECT, INSERT (expires_at, ttl_ms, worker_id), UPDATE (alive_since, expires_at, ttl_ms), DELETE";

/// For each function, who may call it beside the owner.
const FUNCTIONS: &str = "\
add_events: satchel_worker
add_rejections:
apply_batch: satchel_worker
archive_parked_jobs:
cancel_runs: satchel_api, satchel_worker
change_rules: satchel_api
check_catalogue_version: PUBLIC
choose_parked_jobs:
claim_jobs: satchel_worker
events_between: PUBLIC
expire_parked_jobs: satchel_api, satchel_worker
find_holdings: satchel_worker
first_event_since: PUBLIC
forget_events: satchel_api, satchel_worker
forget_jobs: satchel_api, satchel_worker
forget_paces: satchel_api, satchel_worker
forget_runs: satchel_api, satchel_worker
give_up_runs: satchel_api, satchel_worker
let_next_go: satchel_worker
publish_catalogue: satchel_api
queue_held_run: PUBLIC
redeliver_run: satchel_api
refuse_change: PUBLIC
remove_parked_jobs: satchel_api
retry_parked_jobs: satchel_api
retry_run: satchel_api
set_queue_paused: satchel_api
take_back_journaled: satchel_api
tell_webhook_ping: satchel_api
uid_of: satchel_worker
undecided_body:
withdraw_job: satchel_api";

/// From the access lists themselves: whoever is in one counts, the owner and superusers excepted.
const GRANTED: &str = "
    WITH tables AS (
        SELECT oid, relname, relowner, relacl, relkind FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND relname NOT LIKE '\\_sqlx%'
    ), given AS (
        SELECT relname, entry.grantee, entry.privilege_type, entry.is_grantable, NULL AS attname
        FROM tables, aclexplode(COALESCE(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner))) AS entry
        WHERE entry.grantee <> relowner
        UNION ALL
        SELECT relname, entry.grantee, entry.privilege_type, entry.is_grantable, attname
        FROM tables JOIN pg_attribute ON attrelid = tables.oid, aclexplode(attacl) AS entry
        WHERE entry.grantee <> relowner
    ), rights AS (
        SELECT relname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role, privilege_type,
               privilege_type || CASE WHEN count(attname) > 0 AND count(*) = count(attname)
                   THEN ' (' || string_agg(attname, ', ' ORDER BY attname) || ')' ELSE '' END
               || CASE WHEN bool_or(is_grantable) THEN ' GRANTABLE' ELSE '' END AS told
        FROM given
        GROUP BY relname, grantee, privilege_type
    ), roles AS (
        SELECT relname, role, '  ' || role || ' ' || string_agg(
                   told, ', ' ORDER BY array_position('{SELECT,INSERT,UPDATE,DELETE}', privilege_type), privilege_type
               ) AS told
        FROM rights
        GROUP BY relname, role
    )
    SELECT string_agg(relname || COALESCE(E'\\n' || told, ''), E'\\n' ORDER BY relname)
    FROM (
        SELECT tables.relname, string_agg(told, E'\\n' ORDER BY role) AS told
        FROM tables
        LEFT JOIN roles USING (relname)
        GROUP BY tables.relname
    ) AS told";

const CALLABLE: &str = "
    SELECT string_agg(proname || ':' || COALESCE(' ' || callers, ''), E'\\n' ORDER BY proname)
    FROM (
        SELECT proname, (
            SELECT string_agg(role, ', ' ORDER BY role)
            FROM (
                SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
                FROM aclexplode(COALESCE(proacl, acldefault('f', proowner)))
                WHERE grantee <> proowner
            ) AS roles
        ) AS callers
        FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace
    ) AS functions";

/// Line by line, so that a difference is found.
fn compare(found: &str, expected: &str) {
    let only = |these: &str, those: &str| -> Vec<String> {
        these.lines().filter(|line| !those.lines().any(|other| other == *line)).map(str::to_owned).collect()
    };
    assert_eq!(
        (only(found, expected), only(expected, found)),
        (vec![], vec![]),
        "more than expected; less than expected"
    );
    assert_eq!(found, expected);
}

#[tokio::test]
async fn each_role_has_these_rights_and_no_others() {
    let database = Database::new().await;
    compare(&database.psql(GRANTED), TABLES);
    compare(&database.psql(CALLABLE), FUNCTIONS);
}

#[tokio::test]
async fn what_acts_as_the_owner_looks_for_names_in_the_schema_alone() {
    let database = Database::new().await;
    let loose = "SELECT COALESCE(string_agg(proname, ' '), '') FROM pg_proc
        WHERE pronamespace = 'public'::regnamespace AND prosecdef
          AND NOT COALESCE('search_path=public, pg_temp' = ANY(proconfig), false)";
    assert_eq!(database.psql(loose), "");
}

#[tokio::test]
async fn functions_that_act_as_the_owner_refuse_what_is_out_of_range() {
    let database = Database::new().await;
    for (role, call, said) in [
        ("satchel_api", "retry_parked_jobs(NULL, NULL, NULL, NULL, 1001)", "at most 1000"),
        ("satchel_api", "retry_parked_jobs(NULL, NULL, NULL, NULL, NULL)", "at most 1000"),
        ("satchel_api", "remove_parked_jobs(NULL, NULL, NULL, NULL, 10, 'a', '{\"code\":\"applied\"}')", "ends so"),
        ("satchel_worker", "expire_parked_jobs(0, 10, 'a', 'r', '{\"code\":\"expired\"}')", "at least a day"),
        ("satchel_worker", "expire_parked_jobs(NULL, 10, 'a', 'r', '{\"code\":\"expired\"}')", "at least a day"),
        ("satchel_worker", "expire_parked_jobs(1, 10, 'a', 'r', '{\"code\":\"removed\"}')", "ends so"),
        ("satchel_worker", "forget_runs(0, 1)", "at least a day"),
        ("satchel_worker", "give_up_runs(0, 60, 'x', 1)", "at least a day"),
        ("satchel_api", "publish_catalogue(2, '{\"items\":{}}', 'o', 'r')", "not the next one"),
        ("satchel_api", "publish_catalogue(9223372036854775807, '{\"items\":{}}', 'o', 'r')", "not the next one"),
        ("satchel_api", "publish_catalogue(1, '{}', 'o', 'r')", "has items"),
        ("satchel_api", "publish_catalogue(1, '[]', 'o', 'r')", "has items"),
        ("satchel_api", "tell_webhook_ping(gen_random_uuid(), 99, 'x')", "no such shard"),
        ("satchel_worker", "publish_catalogue(1, '{\"items\":{}}', 'o', 'r')", "permission denied"),
        ("satchel_worker", "set_queue_paused(true, 'o', 'r')", "permission denied"),
        ("satchel_api", "archive_parked_jobs('{}', 'o', 'x', '{}')", "permission denied"),
    ] {
        let refused = database.refusal(&format!("SET ROLE {role}; SELECT {call}"));
        assert!(refused.contains(said), "{call}: {refused}");
    }
    for (outcome, until, shard, said) in [
        ("{\"code\":\"applied\"}", "now()", 1, "withdrawn as withdrawn"),
        ("{}", "now()", 1, "withdrawn as withdrawn"),
        ("{\"code\":\"withdrawn\"}", "NULL", 1, "a year at most"),
        ("{\"code\":\"withdrawn\"}", "'infinity'", 1, "a year at most"),
        ("{\"code\":\"withdrawn\"}", "now()", 99, "no such shard"),
    ] {
        let refused = database.refusal(&format!(
            "SET ROLE satchel_api; SELECT withdraw_job(gen_random_uuid(), 'u1', {shard}, 't', sha256('x'), '{outcome}',
                 'service:game', now(), 'o', 'r', {until}, false)"
        ));
        assert!(refused.contains(said), "{outcome} {until} {shard}: {refused}");
    }
    let counts = "SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM user_names), (SELECT count(*) FROM catalogue_versions)";
    assert_eq!(database.psql(counts), "0|0|0");
}

#[tokio::test]
async fn the_api_takes_back_from_the_journal_what_it_has_just_added_and_nothing_else() {
    let database = Database::new().await;
    let add = |job_id: &str| {
        format!(
            "INSERT INTO journal (job_id, user_id, shard, seq, type, payload_hash, actor, submitted_at, envelope_version, body, mac)
             VALUES ('{job_id}', 'u1', 1, 1, 't', sha256('x'), 'a', now(), 2, '{{}}', sha256('x'))"
        )
    };
    let (kept, taken) = ("0190a5e4-8c6e-7000-8000-000000000001", "0190a5e4-8c6e-7000-8000-000000000002");
    database.psql(&format!("SET ROLE satchel_api; {}", add(kept)));
    database.psql(&format!(
        "SET ROLE satchel_api; BEGIN; {}; SELECT FROM take_back_journaled('{{{kept},{taken}}}'); COMMIT",
        add(taken)
    ));
    assert_eq!(database.psql("SELECT job_id FROM journal"), kept);
}
