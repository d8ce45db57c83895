//! What the thief of one program's login can do: no more than that program.

use satchel_testkit::job::reward_pieces;
use satchel_testkit::{Psql, Setup, refused_start};
use satchel_tests::invariants;

const RECORD: &str = "INSERT INTO records (shard, uid, seq, at, job_id, count, is_rejected, body, seal)
    VALUES (0, 1, 1, now(), gen_random_uuid(), 1, false, '{}', sha256('x'))";
const HOLDING: &str = "INSERT INTO holdings (shard, uid, item_id, quantity, granted_total, used_total, updated_at)
    VALUES (0, 1, 'gold', 1000000, 1000000, 0, now())";
const JOURNALED: &str = "INSERT INTO journal (job_id, user_id, shard, seq, type, payload_hash, actor, submitted_at, envelope_version, body, mac)
    VALUES (gen_random_uuid(), 'u2', 1, 1, 't', sha256('x'), 'a', now(), 2, '{}', sha256('x'))";
const PARK: &str = "INSERT INTO parked_jobs (user_id, job_id, shard, state, type, payload_hash, actor, request_id,
        submitted_at, envelope_version, body, mac, attempts, tries, next_attempt_at)
    VALUES ('u2', gen_random_uuid(), 1, 'retrying', 't', sha256('x'), 'a', 'r', now(), 2, '{}', sha256('x'), 1, 1, now())";
const EVENT: &str = "INSERT INTO event_batches (shard, seq, count, at, uids, job_ids, kinds)
    VALUES (1, 1000000, 1, now(), '{1}', ARRAY[gen_random_uuid()], '[[\"a/b\",1]]')";
const CATALOGUE: &str = "INSERT INTO catalogue_versions (version, document, published_by, request_id)
    SELECT max(version) + 1, '{\"items\":{}}', 'operator:ops', 'r' FROM catalogue_versions";
const KEY: &str = "INSERT INTO api_keys (prefix, secret_hash, name, role, subject, scopes)
    VALUES ('x', sha256('x'), 'x', 'operator', 'x', '')";

/// Tries statements one by one, and all of them as a transaction.
fn refused(login: &Psql, statements: &[&str]) {
    let together = format!("BEGIN; {}; COMMIT", statements.join("; "));
    for sql in statements.iter().copied().chain([together.as_str()]) {
        let said = login.try_run(sql).expect_err(sql).0;
        assert!(said.contains("permission denied"), "{sql} as {}: {said}", login.user);
    }
}

#[tokio::test]
async fn the_apis_login_makes_no_item_no_outcome_and_no_event() {
    let satchel = Setup::new().start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "gold", 5)).await.expect(200);
    refused(
        &satchel.database.api,
        &[
            RECORD,
            HOLDING,
            "UPDATE users SET version = 0, hash = decode(repeat('00', 32), 'hex'), mac = NULL",
            "UPDATE holdings SET quantity = 1000000",
            "INSERT INTO users (shard, uid) VALUES (0, 1000000)",
            "INSERT INTO user_names (user_id, shard) VALUES ('u2', 0)",
            "SELECT uid_of('u2', 0)",
            EVENT,
            "UPDATE shard_counters SET events = events + 1",
            "UPDATE event_cursors SET dispatched = dispatched + 1",
            PARK,
            "DELETE FROM parked_jobs",
            "DELETE FROM journal",
            "UPDATE shard_leases SET owner = gen_random_uuid(), epoch = epoch + 1",
            "INSERT INTO workers (worker_id, expires_at) VALUES (gen_random_uuid(), now())",
            "INSERT INTO rule_grants VALUES (1, 0, 'r', '1')",
            CATALOGUE,
            KEY,
            "UPDATE queue_state SET installation_id = gen_random_uuid()",
            "UPDATE function_runs SET status = 'succeeded', finished_at = now()",
            "DELETE FROM function_runs",
            "DELETE FROM quarantined_entries",
            "UPDATE operator_actions SET actor = 'x'",
            "INSERT INTO operator_actions (at, actor, request_id, action, detail) VALUES (now(), 'a', 'r', 'pause', '{}')",
        ],
    );
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("gold".to_owned(), 5)]);
}

#[tokio::test]
async fn a_workers_login_makes_no_job_no_catalogue_no_key_and_no_record_of_an_operator() {
    let satchel = Setup::new().start().await;
    satchel.game().submit_and_wait(&reward_pieces("u1", "gold", 5)).await.expect(200);
    refused(
        &satchel.database.worker,
        &[
            JOURNALED,
            "UPDATE journal SET body = '{}'",
            "UPDATE parked_jobs SET body = '{}'",
            CATALOGUE,
            "SELECT publish_catalogue(2, '{\"items\":{}}', 'operator:ops', 'r')",
            "SELECT set_queue_paused(true, 'operator:ops', 'r')",
            KEY,
            "SELECT secret_hash FROM api_keys",
            "INSERT INTO operator_actions (actor, request_id, action, detail) VALUES ('a', 'r', 'pause', '{}')",
            "UPDATE webhook_endpoints SET url = 'https://example.com', secret = 'x'",
            "INSERT INTO webhook_endpoints (endpoint_id, url, events, description, secret)
             VALUES (gen_random_uuid(), 'https://example.com', '{}', '', 'sealed1:x')",
            "DELETE FROM webhook_endpoints",
            "UPDATE records SET body = '{}'",
            "DELETE FROM records",
            "UPDATE event_batches SET at = now()",
            "UPDATE function_runs SET event_name = 'a/b'",
        ],
    );
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_program_refuses_a_login_that_may_do_what_the_other_one_does() {
    let satchel = Setup::new().workers(0).start().await;
    let start = |program: &str, login: &Psql, role: &str| refused_start(&satchel, program, login, role);
    let database = &satchel.database;
    let said = start("satchel-api", &database.worker, "");
    assert!(said.contains("DATABASE_URL: its login may do what workers do: log in as satchel_api"), "{said}");
    let said = start("satchel-worker", &database.api, "");
    assert!(said.contains("its login may do what the API does: log in as satchel_worker"), "{said}");

    // One that is a member of both, whatever it acts as; and one that may only make objects.
    let owner = &database.owner;
    let both = Psql { user: format!("both_{}", owner.database), password: "both".to_owned(), ..owner.clone() };
    owner.run(&format!(
        "CREATE ROLE {0} LOGIN NOINHERIT PASSWORD 'both' IN ROLE satchel_api, satchel_worker",
        both.user
    ));
    owner.run(&format!("GRANT CONNECT ON DATABASE {} TO {}", owner.database, both.user));
    for (program, role) in [("satchel-api", "satchel_api"), ("satchel-worker", "satchel_worker")] {
        let said = start(program, &both, role);
        assert!(said.contains("its login may do what"), "{program}: {said}");
    }
    owner.run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", both.user));
    owner.run("GRANT CREATE ON SCHEMA public TO satchel_api");
    let said = start("satchel-api", &database.api, "");
    assert!(said.contains("may make objects in the schema"), "{said}");
    owner.run("REVOKE CREATE ON SCHEMA public FROM satchel_api");
    invariants::check(&satchel).await;
}

/// All tests' databases were migrated by it, roles and passwords included; this one is migrated again.
#[tokio::test]
async fn the_owner_of_the_schema_needs_to_be_no_superuser() {
    let satchel = Setup::new().workers(0).start().await;
    let owner = &satchel.database.schema_owner;
    let about = format!("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = '{}'", owner.user);
    assert_eq!(owner.run(&about), "f|t");
    satchel.tool(&["migrate"]);
    let others = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner <> current_user::regrole";
    assert_eq!(owner.number(others), 0);
    satchel.create_api_key("game", "inventory:read");
    satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
    satchel.start_worker();
    invariants::check(&satchel).await;
}
