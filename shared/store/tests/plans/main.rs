//! Hot queries find their rows by key, also on connections that planned them when the tables were empty.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod functions;
mod reads;

use chrono::Utc;
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::events::{EventType, ItemRewarded};
use satchel_model::facts::Holding;
use satchel_model::fold::HoldingChange;
use satchel_model::ids::{ItemId, JobId, RequestId, Shard, UserId, UserKey};
use satchel_model::ledger::{Head, LedgerKey, Mac, NewBody, Record, RecordedChange, Seal, StackChange};
use satchel_model::operations::Envelope;
use satchel_model::operations::Submission;
use satchel_model::records::NewEvent;
use satchel_private::{PostgresOptions, PrivatePostgres, SecretString, temporary_parent};
use satchel_store::actions::Operator;
use satchel_store::leases::Fence;
use satchel_store::parked::NewParked;
use satchel_store::progress::{Progress, ShardCounts};
use satchel_store::quarantine::RefusedRow;
use satchel_store::rules::Patience;
use satchel_store::{
    Pool, PoolConfig, Program, RolePasswords, Session, actions, facts, failed, jobs, journal, leases, migrate, parked,
    progress, quarantine, rules, users,
};
use satchel_wire::Fresh;
use satchel_wire::envelope::EnvelopeKey;
use uuid::Uuid;

/// Postgres keeps a plan after five runs (its manual, PREPARE); the driver may plan once more.
const RUNS: usize = 8;

/// Enough rows that reading a whole table would be the dearer plan for ever after: many users with a record that changes nothing, and one
/// with a long history.
const GROW: &str = r#"
    INSERT INTO user_names (user_id, shard) SELECT 'u' || n, n % 64 FROM generate_series(2, 20000) n;
    INSERT INTO users (shard, uid) SELECT shard, uid FROM user_names ON CONFLICT DO NOTHING;
    INSERT INTO holdings (shard, uid, item_id, quantity, granted_total, used_total, last_granted_at, updated_at)
        SELECT shard, uid, 'gold', 1, 1, 0, now(), now() FROM user_names ON CONFLICT DO NOTHING;
    INSERT INTO records (shard, uid, seq, at, job_id, count, is_rejected, body, seal)
        SELECT shard, uid, 0, now(), gen_random_uuid(), 0, false, '{"job":{"type":"t"},"submittedAt":0,"result":{}}',
            decode(repeat('00', 20), 'hex')
        FROM user_names;
    INSERT INTO records (shard, uid, seq, at, job_id, count, is_rejected, body, seal)
        SELECT shard, uid, 1000 + n, now(), gen_random_uuid(), 1, false,
            '{"job":{"type":"t"},"submittedAt":0,"changes":[{"stack":["gold",1,1]}],"result":{}}',
            decode(repeat('00', 32), 'hex')
        FROM user_names, generate_series(1, 20000) n WHERE user_id = 'u1';
    UPDATE users SET version = 21000 WHERE version > 0;
    INSERT INTO parked_jobs (user_id, job_id, shard, state, type, payload_hash, actor, request_id, submitted_at,
                             envelope_version, body, mac, attempts, tries, next_attempt_at, parked_at)
        SELECT 'p' || n / 10, gen_random_uuid(), n % 64,
            CASE WHEN n % 10 > 0 THEN 'blocked' WHEN n % 20 = 0 THEN 'parked' ELSE 'retrying' END,
            't', decode(repeat('00', 32), 'hex'), 'a', 'r', now(), 2, json_build_object('job', 1),
            decode(repeat('00', 32), 'hex'), 1, 1,
            CASE WHEN n % 20 = 10 THEN now() + interval '1 hour' END, CASE WHEN n % 20 = 0 THEN now() END
        FROM generate_series(1, 20000) n;
    INSERT INTO journal (job_id, user_id, shard, seq, type, payload_hash, actor, submitted_at, envelope_version, body,
                         mac)
        SELECT gen_random_uuid(), 'u' || n % 1000, n % 64, nextval('journal_seq'), 't',
            decode(repeat('00', 32), 'hex'), 'a', now(), 2, '{}', decode(repeat('00', 32), 'hex')
        FROM generate_series(1, 20000) n;
    INSERT INTO event_batches (shard, seq, count, at, uids, job_ids, kinds)
        SELECT n % 64, 1000 + n / 64, 1, now() - interval '1 day', ARRAY[n], ARRAY[gen_random_uuid()], '[["item/used",1]]'
        FROM generate_series(0, 19999) n;
    UPDATE shard_counters SET events = 1312;
    INSERT INTO operator_actions (actor, request_id, action, detail)
        SELECT 'a', 'r', 'retry', '{}' FROM generate_series(1, 20000) n;
"#;

/// With those that are read whole by one of their indexes: the runs of all queries together need fewer rows than that
/// of any table.
const WHOLE_TABLE_READS: &str = "
    SELECT COALESCE(string_agg(relname || ' ' || seq_scan || ' ' || idx_tup_fetch, ', ' ORDER BY relname), '')
    FROM pg_stat_user_tables
    WHERE relname IN ('user_names', 'users', 'holdings', 'records', 'parked_jobs', 'journal', 'operator_actions',
                      'shard_counters', 'catalogue_versions', 'events', 'function_runs', 'function_steps',
                      'event_cursors')
      AND (seq_scan > 0 OR idx_tup_fetch >= 20000)";

fn config(url: SecretString, program: Program) -> PoolConfig {
    PoolConfig {
        url,
        role: Some(program.role().to_owned()),
        application_name: "plans",
        max_connections: 1,
        acquire_timeout_ms: 5_000,
        statement_timeout_ms: 30_000,
    }
}

fn reward() -> Envelope {
    let text = br#"{"type":"reward_inventory_item","userId":"u1","items":["gold"]}"#;
    Envelope {
        job_id: JobId::from(Uuid::now_v7()),
        job: Submission::parse(Node::parse(text).unwrap(), Pointer::root()).unwrap().job,
        actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
        request_id: RequestId::random(),
        submitted_at: Utc::now(),
        reply_to: None,
        journaled: false,
    }
}

/// What the job leaves of its user, found so: its record, and where the ledger then ends.
fn decided(envelope: &Envelope, found: &users::Found) -> (Record, (UserKey, Head, Mac)) {
    let gold = ItemId::parse("gold").unwrap();
    let body = NewBody {
        canonical: &envelope.job.canonical(),
        user_id: &envelope.job.user_id,
        actor: None,
        request_id: &envelope.request_id,
        submitted_at: envelope.submitted_at,
        decided_at: envelope.submitted_at,
        catalogue_version: 1,
        attempts: 1,
        changes: &[RecordedChange::Stack(StackChange(gold, 1, 1, None))],
        result: serde_json::value::RawValue::NULL,
    };
    let (at, version) = (envelope.submitted_at, found.head.version + 1);
    let mut record = Record {
        user: found.key,
        seq: version,
        count: 1,
        job_id: Some(envelope.job_id),
        is_rejected: false,
        at,
        body: body.text(),
        seal: Seal::Chained(found.head.hash),
    };
    let hash = record.hash(found.head.hash);
    record.seal = Seal::Chained(hash);
    let head = Head { version, hash, decided_at: Some(at), ..found.head };
    let mac = LedgerKey::new(&[7; LedgerKey::MIN_BYTES]).unwrap().sign_head(found.key.uid, &head);
    (record, (found.key, head, mac))
}

async fn what_a_worker_asks(session: &mut Session, worker_id: Uuid) {
    let (user, item) = (UserId::parse("u1").unwrap(), ItemId::parse("gold").unwrap());
    leases::renew(session, worker_id, 60_000).await.unwrap();
    leases::acquire(session, worker_id, &[Shard::new(0)]).await.unwrap();
    let held = leases::owned(session, worker_id).await.unwrap();
    let mut tx = rules::begin(session, Patience::BATCH).await.unwrap();
    let fenced = leases::fence(&mut tx, worker_id, &held).await.unwrap();
    assert!(matches!(fenced, Fence::Leased(rules) if !rules.is_paused));
    let found = &users::lock(&mut tx, &[(&user, Shard::new(0))]).await.unwrap()[&user];
    jobs::find_decided(&mut tx, &[JobId::from(Uuid::now_v7())]).await.unwrap();
    let held = facts::holdings::load(&mut tx, &[(found.key, item.clone())]).await.unwrap();
    let holding = Holding { quantity: 1, granted_total: 1, used_total: 0 };
    let new = ItemId::parse(&format!("new-{}", Uuid::now_v7())).unwrap();
    let user_key = found.key;
    let written =
        |item_id, found| HoldingChange { user: user_key, item_id, holding, found, granted: true, used: false };
    let holdings = [written(&item, (!held.is_empty()).then_some(1)), written(&new, None)];
    let counts = [ShardCounts { shard: Shard::new(0), applied: 1, rejected: 0 }];
    let job = reward();
    let (record, end) = decided(&job, found);
    let events = [NewEvent::of_job(user_key, job.job_id, 0, ItemRewarded::of_record())];
    let at = record.at;
    let progress =
        Progress { records: &[record], holdings: &holdings, heads: &[end], counts: &counts, events: &events, at };
    progress::write(&mut tx, progress).await.unwrap();
    tx.commit().await.unwrap();
}

fn key() -> EnvelopeKey {
    EnvelopeKey::new(&"k".repeat(32).into()).unwrap()
}

async fn what_a_worker_asks_of_jobs_that_wait_in_postgres(session: &mut Session, kept: JobId) {
    let (user, shard) = (UserId::parse("u1").unwrap(), Shard::new(0));
    let (first, second) = (reward(), reward());
    let key = key();
    let to_park = |envelope| NewParked { envelope, payload_hash: envelope.job.payload_hash(), shard, key: &key };
    parked::due(session, &[shard], 100).await.unwrap();
    let mut tx = session.begin().await.unwrap();
    users::lock(&mut tx, &[(&user, shard)]).await.unwrap();
    assert!(!journal::earlier(&mut tx, &[kept], 100).await.unwrap().is_empty());
    assert!(parked::park(&mut tx, &to_park(&first), "it broke", Some(0)).await.unwrap());
    assert!(parked::block(&mut tx, &[to_park(&second)]).await.unwrap().is_empty());
    let chain = parked::chain(&mut tx, &[user.to_string()], 100).await.unwrap();
    assert_eq!(chain.len(), 2);
    parked::fail_again(&mut tx, &user, chain[0].position, "again", None).await.unwrap();
    parked::release(&mut tx, &[first.job_id, second.job_id], &[&user]).await.unwrap();
    journal::remove(&mut tx, &[first.job_id, second.job_id]).await.unwrap();
    let unknown = [RefusedRow { job_id: JobId::from(Uuid::now_v7()), place: 1, reason: "forged".to_owned() }];
    quarantine::journaled(&mut tx, &unknown).await.unwrap();
    quarantine::parked(&mut tx, &unknown, &["u1"]).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!journal::has_overdue(session, &[shard], 3_600_000).await.unwrap());
    assert_eq!(journal::seqs(session, &[kept]).await.unwrap().len(), 1);
    assert!(
        journal::forgotten(session, &[journal::Beginning { shard, seq: i64::MAX }], 3_600_000, 100)
            .await
            .unwrap()
            .is_empty()
    );
}

async fn what_operators_ask(pool: &Pool) {
    let by = Operator { actor: "operator:ops", request_id: "r" };
    let unknown = || failed::Filter { job_ids: Some(vec![JobId::from(Uuid::now_v7())]), ..failed::Filter::default() };
    failed::page(pool, None, 50).await.unwrap();
    assert_eq!(failed::retry(pool, &unknown(), 50, &by).await.unwrap(), []);
    assert_eq!(failed::remove(pool, &unknown(), 50, &by).await.unwrap(), []);
    failed::retry(pool, &failed::Filter::default(), 1, &by).await.unwrap();
    failed::remove(pool, &failed::Filter::default(), 1, &by).await.unwrap();
    actions::page(pool, None, 50).await.unwrap();
}

async fn ask_everything(session: &mut Session, pool: &Pool, steps: &Pool, reader: &mut Session, worker_id: Uuid) {
    for _ in 0..RUNS {
        what_a_worker_asks(session, worker_id).await;
        let kept = reads::what_the_api_asks(pool, reader).await;
        what_a_worker_asks_of_jobs_that_wait_in_postgres(session, kept).await;
        what_operators_ask(pool).await;
        functions::what_functions_ask(session, pool, steps, worker_id).await;
    }
}

#[tokio::test]
async fn no_hot_query_reads_a_whole_table_even_if_it_was_planned_on_an_empty_one() {
    let dir = tempfile::tempdir_in(temporary_parent()).unwrap();
    let postgres =
        PrivatePostgres::start(&PostgresOptions { shared_buffers_mib: 32, ..PostgresOptions::new(dir.path()) });
    let postgres = postgres.unwrap();
    migrate(&postgres.owner_url("satchel"), &RolePasswords::default(), None).await.unwrap();
    let worker_id = Uuid::now_v7();
    let mut session = Session::new(&config(postgres.superuser_url("satchel"), Program::Worker)).unwrap();
    let pool = Pool::new(&config(postgres.superuser_url("satchel"), Program::Api)).unwrap();
    let steps = Pool::new(&config(postgres.superuser_url("satchel"), Program::Worker)).unwrap();
    let mut reader = Session::beside(&pool);
    ask_everything(&mut session, &pool, &steps, &mut reader, worker_id).await;
    // No ANALYZE: nothing else tells the planner that the tables have grown.
    postgres.psql("satchel", "ALTER SYSTEM SET autovacuum = off").unwrap();
    postgres.psql("satchel", "SELECT pg_reload_conf()").unwrap();
    postgres.psql("satchel", GROW).unwrap();
    postgres.psql("satchel", functions::GROW).unwrap();
    postgres.psql("satchel", "SELECT pg_stat_reset()").unwrap();

    ask_everything(&mut session, &pool, &steps, &mut reader, worker_id).await;
    // Sessions hand in their counts when they end.
    session.close().await;
    reader.close().await;
    steps.close().await;
    pool.close().await;
    assert_eq!(postgres.psql("satchel", WHOLE_TABLE_READS).unwrap().trim(), "");

    let pool = Pool::new(&config(postgres.superuser_url("satchel"), Program::Api)).unwrap();
    functions::what_operators_ask_of_backlogs(&pool).await;
    reads::what_listings_of_events_ask(&pool).await;
    pool.close().await;
    let whole = "SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN ('function_runs', 'events', 'records')";
    assert_eq!(postgres.psql("satchel", whole).unwrap().trim(), "0", "what waits is counted from an index");
}
