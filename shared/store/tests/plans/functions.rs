//! What functions ask, of which there are many ended runs, and many that wait.

use std::time::Duration;

use chrono::Utc;
use satchel_model::ids::{FunctionId, Shard, UserId};
use satchel_model::records::Place;
use satchel_store::actions::Operator;
use satchel_store::functions::cancel::{self, Filter};
use satchel_store::functions::claims::{self, KeyOf, Limits};
use satchel_store::functions::dispatch::{self, EventSummary, NewRun, Undispatched};
use satchel_store::functions::listeners::{self, All, Description, EventNames};
use satchel_store::functions::steps::{self, Ending, StepKey};
use satchel_store::functions::{Fanout, RunStatus, backlog, operate};
use satchel_store::leases::{self, Lease};
use satchel_store::{Pool, Session};
use serde_json::json;
use uuid::Uuid;

/// Ended runs, few of which failed, with their steps; and of each of two functions as many that wait, of one for their
/// turn and of the other for another try; of the worker's own shard, since those of others it has to pass over.
pub(crate) const GROW: &str = "
    INSERT INTO function_runs (run_id, function_id, target, shard, event_seq, user_id, event_name, status, created_at, finished_at)
        SELECT gen_random_uuid(), 'a-b-c', CASE WHEN n % 2 = 0 THEN 't' ELSE '' END, n % 64, n, 'u' || n % 100, 'a/b',
            CASE WHEN n < 10 THEN 'failed' ELSE 'succeeded' END, now() - interval '1 day' + n * interval '1 s', now()
        FROM generate_series(1, 20000) n;
    INSERT INTO function_steps (run_id, shard, step_hash, nth, step_id, result)
        SELECT run_id, shard, decode(repeat('00', 32), 'hex'), 0, 's', '1' FROM function_runs;
    INSERT INTO functions (function_id, seen_at, description)
        SELECT 'x-y-z', now(), description FROM functions WHERE function_id = 'a-b-c';
    INSERT INTO function_runs (run_id, function_id, target, shard, event_seq, user_id, event_name, status, due_at)
        SELECT gen_random_uuid(), function_id, CASE WHEN n % 2 = 0 THEN 't' ELSE '' END, 0, n, 'w' || n % 100, 'a/b',
            CASE function_id WHEN 'x-y-z' THEN 'queued' ELSE 'retrying' END,
            now() + n * interval '1 ms' + CASE function_id WHEN 'x-y-z' THEN interval '-1 hour' ELSE interval '1 hour' END
        FROM generate_series(1, 20000) n, functions;
";

const LIMITS: Limits = Limits {
    concurrency: 100,
    rate: None,
    key: KeyOf::Nothing,
    key_concurrency: 100,
    key_rate: None,
    ordered: false,
    newest_first: false,
};

/// Gives an event, begins its run in each way, and ends it.
pub(crate) async fn what_functions_ask(session: &mut Session, pool: &Pool, workers_pool: &Pool, worker_id: Uuid) {
    let function_id = FunctionId::parse("a-b-c").unwrap();
    let shard = Shard::new(0);
    let leases = leases::owned(session, worker_id).await.unwrap();
    let description =
        Description { events: EventNames::All(All::All), fanout: Fanout::One, ordered: true, policy: json!({}) };
    listeners::announce(session, &[(&function_id, description)]).await.unwrap();
    listeners::all(session).await.unwrap();
    dispatch::undispatched(session, &[shard], 16).await.unwrap();
    let keys = [("", KeyOf::Nothing), ("", KeyOf::User), ("t", KeyOf::Target)];
    for (target, key, newest_first) in
        [false, true].iter().flat_map(|newest| keys.map(|(target, key)| (target, key, *newest)))
    {
        let mut tx = session.begin().await.unwrap();
        dispatch::lock(&mut tx, &[shard]).await.unwrap();
        let last = Undispatched { shard, after: 1_300, last: 1_312 };
        dispatch::next(&mut tx, &[last], Some(&["item/used"]), false, 100).await.unwrap();
        let seq = Utc::now().timestamp_micros();
        let user_id = UserId::parse("u1").unwrap();
        let event = EventSummary { place: Place { shard, seq }, user_id, name: "a/b".to_owned() };
        let run = NewRun { function_id: &function_id, target, event: &event, replay_id: None, is_ordered: true };
        dispatch::add_runs(&mut tx, &[run]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claims::due(session, &[&function_id], &[shard]).await.unwrap().len(), 1);
        let limits = Limits { key, newest_first, ..LIMITS };
        let mut tx = session.begin().await.unwrap();
        let begun = claims::claim(&mut tx, &function_id, &limits, worker_id, &leases, 10).await.unwrap().remove(0);
        tx.commit().await.unwrap();
        assert_eq!(
            dispatch::requeue_orphans(session, worker_id, &[shard], &[begun.run_id.as_uuid()]).await.unwrap(),
            0
        );
        steps::load(workers_pool, &begun).await.unwrap();
        let result = serde_json::value::RawValue::NULL.to_owned();
        steps::save(workers_pool, &begun, &StepKey { hash: [1; 32], nth: 0 }, "s", &result).await.unwrap();
        assert!(steps::finish(workers_pool, &function_id, &begun, None, &Ending::Succeeded).await.unwrap());
        operate::run(pool, begun.run_id).await.unwrap().unwrap();
    }
    operate::runs(pool, &function_id, None, None, None, 10).await.unwrap();
    operate::runs(pool, &function_id, None, Some("t"), None, 10).await.unwrap();
    operate::runs(pool, &function_id, Some(RunStatus::Failed), None, None, 50).await.unwrap();
    what_a_worker_asks_beside_a_flood(session, workers_pool, worker_id, &leases).await;
    what_operators_ask_of_a_flood(session, pool, &function_id).await;
}

/// Begins runs of a function that has many, once there are any, and ends them.
async fn what_a_worker_asks_beside_a_flood(
    session: &mut Session,
    workers_pool: &Pool,
    worker_id: Uuid,
    leases: &[Lease],
) {
    let function_id = FunctionId::parse("x-y-z").unwrap();
    claims::due(session, &[&function_id], &[Shard::new(0)]).await.unwrap();
    for (key, newest_first) in
        [KeyOf::Nothing, KeyOf::User, KeyOf::Target].iter().flat_map(|key| [(*key, false), (*key, true)])
    {
        let limits = Limits { key, newest_first, ..LIMITS };
        let mut tx = session.begin().await.unwrap();
        let begun = claims::claim(&mut tx, &function_id, &limits, worker_id, leases, 2).await.unwrap();
        tx.commit().await.unwrap();
        for run in begun {
            assert!(steps::finish(workers_pool, &function_id, &run, None, &Ending::Succeeded).await.unwrap());
        }
    }
}

/// What waits of each function, counted from an index (all of it, so this is asked once).
pub(crate) async fn what_operators_ask_of_backlogs(pool: &Pool) {
    let functions = backlog::functions(pool).await.unwrap();
    let waiting: Vec<i64> = functions.iter().map(|function| function.backlog.backlog).collect();
    assert!(waiting.len() == 2 && waiting.iter().all(|runs| (19_000..=20_000).contains(runs)), "{waiting:?}");
}

async fn what_operators_ask_of_a_flood(session: &mut Session, pool: &Pool, function_id: &FunctionId) {
    let by = Operator { actor: "operator:ops", request_id: "r" };
    // Of a function with none, since all that waits is counted.
    let none = FunctionId::parse("n-o-n").unwrap();
    let filter = Filter { target: Some("t".into()), ..Filter::default() };
    assert_eq!(cancel::count(pool, &none, &filter).await.unwrap(), 0);
    assert_eq!(cancel::cancel(pool, &none, &filter, None, &by).await.unwrap().cancelled, 0);
    assert_eq!(cancel::drop_old(session, function_id, Duration::from_mins(1)).await.unwrap(), (0, false));
}
