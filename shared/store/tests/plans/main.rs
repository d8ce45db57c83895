//! Hot queries find their rows by key, also on connections that planned them when the tables were empty.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod functions;

use chrono::Utc;
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::events::{EventType, ItemRewarded};
use satchel_model::facts::Holding;
use satchel_model::fold::HoldingChange;
use satchel_model::ids::{ItemId, JobId, RequestId, Shard, UserId};
use satchel_model::operations::Envelope;
use satchel_model::operations::Submission;
use satchel_model::records::NewEvent;
use satchel_model::records::{JobRecord, JobStatus};
use satchel_private::{PostgresOptions, PrivatePostgres, SecretString};
use satchel_store::actions::Operator;
use satchel_store::journal::JournalEntry;
use satchel_store::leases::Fence;
use satchel_store::ledger::{Filter, Order};
use satchel_store::parked::NewParked;
use satchel_store::progress::{Progress, ShardCounts};
use satchel_store::quarantine::RefusedRow;
use satchel_store::rules::Patience;
use satchel_store::{
    Pool, PoolConfig, Program, RolePasswords, Session, actions, decisions, facts, failed, inventory, jobs, journal,
    leases, ledger, migrate, parked, progress, quarantine, rules, users,
};
use satchel_wire::Fresh;
use satchel_wire::envelope::EnvelopeKey;
use uuid::Uuid;

/// Postgres keeps a plan after five runs (its manual, PREPARE); the driver may plan once more.
const RUNS: usize = 8;

/// Enough rows that reading a whole table would be the dearer plan for ever after.
const GROW: &str = "
    INSERT INTO users SELECT 'u' || n, 1, decode(repeat('00', 32), 'hex') FROM generate_series(1, 20000) n
        ON CONFLICT DO NOTHING;
    INSERT INTO inventory SELECT 'u' || n, 'gold', 1, 1, 0, now(), NULL, now() FROM generate_series(1, 20000) n
        ON CONFLICT DO NOTHING;
    INSERT INTO jobs SELECT 'u' || n, gen_random_uuid(), 't', decode(repeat('00', 32), 'hex'), 'applied', '{}', 'a', 'r', 1,
        now(), now() FROM generate_series(1, 20000) n;
    INSERT INTO ledger SELECT 'u1', n, gen_random_uuid(), 'gold', 1, n, 't', 'a', NULL, 'r', NULL, 1, now(),
        decode(repeat('00', 32), 'hex') FROM generate_series(1, 20000) n;
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
    INSERT INTO events (shard, seq, user_id, name, version, at, job_id)
        SELECT n % 64, 1000 + n / 64, 'u' || n, 'item/used', 1, now() - interval '1 day', gen_random_uuid()
        FROM generate_series(0, 19999) n;
    UPDATE shard_counters SET events = 1312;
    INSERT INTO operator_actions (actor, request_id, action, detail)
        SELECT 'a', 'r', 'retry', '{}' FROM generate_series(1, 20000) n;
";

/// With those that are read whole by one of their indexes: the runs of all queries together need fewer rows than that
/// of any table.
const WHOLE_TABLE_READS: &str = "
    SELECT COALESCE(string_agg(relname || ' ' || seq_scan || ' ' || idx_tup_fetch, ', ' ORDER BY relname), '')
    FROM pg_stat_user_tables
    WHERE relname IN ('users', 'inventory', 'jobs', 'ledger', 'parked_jobs', 'journal', 'operator_actions',
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

fn record(envelope: &Envelope) -> JobRecord {
    JobRecord {
        job_id: envelope.job_id,
        job_type: "t".into(),
        user_id: envelope.job.user_id.clone(),
        status: JobStatus::Applied,
        submitted_at: envelope.submitted_at,
        applied_at: envelope.submitted_at,
        attempts: 1,
        result: serde_json::value::RawValue::NULL.to_owned(),
        payload_hash: envelope.job.payload_hash(),
        actor: "a".to_owned(),
        request_id: "r".to_owned(),
    }
}

async fn what_a_worker_asks(session: &mut Session, worker_id: Uuid) {
    let (user, item) = (UserId::parse("u1").unwrap(), ItemId::parse("gold").unwrap());
    leases::renew(session, worker_id, 60_000).await.unwrap();
    leases::acquire(session, worker_id, &[Shard::new(0)]).await.unwrap();
    let held = leases::owned(session, worker_id).await.unwrap();
    let mut tx = rules::begin(session, Patience::BATCH).await.unwrap();
    let fenced = leases::fence(&mut tx, worker_id, &held).await.unwrap();
    assert!(matches!(fenced, Fence::Leased(rules) if !rules.is_paused));
    let heads = users::lock(&mut tx, &[&user]).await.unwrap();
    jobs::find_decided(&mut tx, &[JobId::from(Uuid::now_v7())]).await.unwrap();
    let held = facts::holdings::load(&mut tx, &[(&user, item.clone())]).await.unwrap();
    let holding = Holding { quantity: 1, granted_total: 1, used_total: 0 };
    let new = ItemId::parse(&format!("new-{}", Uuid::now_v7())).unwrap();
    let written =
        |item_id, found| HoldingChange { user_id: &user, item_id, holding, found, granted: true, used: false };
    let holdings = [written(&item, (!held.is_empty()).then_some(1)), written(&new, None)];
    let counts = [ShardCounts { shard: Shard::new(0), applied: 1, rejected: 0 }];
    let job = reward();
    decisions::add(&mut tx, &[record(&job)], &[]).await.unwrap();
    let events = [NewEvent::of_job(Shard::new(0), &user, job.job_id, 0, ItemRewarded::of_record())];
    let heads = [(&user, heads[&user])];
    let progress = Progress { holdings: &holdings, heads: &heads, counts: &counts, events: &events, at: Utc::now() };
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
    users::lock(&mut tx, &[&user]).await.unwrap();
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
    assert!(progress::step_over(session, &[shard]).await.unwrap().is_empty());
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

/// The id of a job that is in the journal.
async fn what_the_api_asks(pool: &Pool, reader: &mut Session) -> JobId {
    parked::count_of(pool, &[&UserId::parse("u1").unwrap()], 1_000).await.unwrap();
    let user = UserId::parse("u1").unwrap();
    jobs::find_many(pool, &[JobId::from(Uuid::now_v7())]).await.unwrap();
    parked::find_many(pool, &[JobId::from(Uuid::now_v7())]).await.unwrap();
    journal::find_many(pool, &[JobId::from(Uuid::now_v7())]).await.unwrap();
    let kept = reward();
    let (payload_hash, shard, key) = (kept.job.payload_hash(), Shard::new(1), &key());
    let entry = JournalEntry { payload_hash, envelope: &kept, shard, key };
    journal::append(pool, &[entry]).await.unwrap();
    journal::append(pool, &[entry]).await.unwrap();
    let page = |after: Option<&str>| inventory::PageOf {
        user_id: user.clone(),
        after: after.map(|item| ItemId::parse(item).unwrap()),
        limit: 50,
    };
    inventory::pages(reader, &[page(None), page(Some("gold"))]).await.unwrap();
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let filter = Filter { order, limit: 50, after_seq: Some(10_000), ..Filter::default() };
        ledger::page(pool, &user, &filter).await.unwrap();
    }
    kept.job_id
}

async fn ask_everything(session: &mut Session, pool: &Pool, steps: &Pool, reader: &mut Session, worker_id: Uuid) {
    for _ in 0..RUNS {
        what_a_worker_asks(session, worker_id).await;
        let kept = what_the_api_asks(pool, reader).await;
        what_a_worker_asks_of_jobs_that_wait_in_postgres(session, kept).await;
        what_operators_ask(pool).await;
        functions::what_functions_ask(session, pool, steps, worker_id).await;
    }
}

#[tokio::test]
async fn no_hot_query_reads_a_whole_table_even_if_it_was_planned_on_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
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
    pool.close().await;
    let whole = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'function_runs'";
    assert_eq!(postgres.psql("satchel", whole).unwrap().trim(), "0", "what waits is counted from an index");
}
