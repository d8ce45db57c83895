//! Which runs begin: in order, within limits, and none that nobody will do.

use chrono::{TimeDelta, Utc};
use satchel_model::ids::{FunctionId, RunId, Shard, UserId};
use satchel_model::records::Place;
use satchel_store::Retention;
use satchel_store::functions::claims::{self, Claimed, KeyOf, Limits};
use satchel_store::functions::dispatch::{self, EventSummary, NewRun};
use satchel_store::functions::listeners::{self, All, Description, EventNames};
use satchel_store::functions::steps::{self, Ending};
use satchel_store::functions::{Fanout, Rate, operate};
use satchel_store::{Session, housekeeping, leases};
use serde_json::json;
use uuid::Uuid;

use crate::database::Database;
use crate::job::OPERATOR;

const SHARD: u16 = 1;

pub(crate) const ORDERED: Limits = Limits { key: KeyOf::User, ordered: true, ..WIDE };
pub(crate) const WIDE: Limits = Limits {
    concurrency: 100,
    rate: None,
    key: KeyOf::Nothing,
    key_concurrency: 1,
    key_rate: None,
    ordered: false,
    newest_first: false,
};

pub(crate) fn function_id() -> FunctionId {
    FunctionId::parse("a-b-c").unwrap()
}

/// A database whose events are given to one function, by a worker with one shard.
pub(crate) struct Stand {
    pub(crate) database: Database,
    session: Session,
    worker_id: Uuid,
    limits: Limits,
}

impl Stand {
    pub(crate) async fn new(limits: Limits) -> Self {
        let database = Database::new().await;
        let mut session = database.session();
        let worker_id = Uuid::now_v7();
        leases::renew(&mut session, worker_id, 600_000).await.unwrap();
        leases::acquire(&mut session, worker_id, &[Shard::new(SHARD)]).await.unwrap();
        let description = Description {
            events: EventNames::All(All::All),
            fanout: Fanout::One,
            ordered: limits.ordered,
            policy: json!({}),
        };
        listeners::announce(&mut session, &[(&function_id(), description)]).await.unwrap();
        Self { database, session, worker_id, limits }
    }

    /// Makes runs for events that are numbered from `first` on, about these users, in a transaction that is left to the
    /// caller if it wants.
    async fn make(&mut self, first: i64, users: &[&str]) {
        let events = summaries(first, users);
        let mut tx = self.session.begin().await.unwrap();
        dispatch::lock(&mut tx, &[Shard::new(SHARD)]).await.unwrap();
        let function_id = function_id();
        dispatch::add_runs(&mut tx, &runs(&function_id, &events, self.limits.ordered)).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Begins as many as may.
    pub(crate) async fn begin(&mut self, most: u32) -> Vec<Claimed> {
        let leases = leases::owned(&mut self.session, self.worker_id).await.unwrap();
        let mut tx = self.session.begin().await.unwrap();
        let claimed =
            claims::claim(&mut tx, &function_id(), &self.limits, self.worker_id, &leases, most).await.unwrap();
        tx.commit().await.unwrap();
        claimed
    }

    async fn end(&self, run: &Claimed, ending: Ending) {
        assert!(steps::finish(&self.database.workers_pool(), &function_id(), run, None, &ending).await.unwrap());
    }

    /// The statuses of a user's runs, in the order of the events.
    pub(crate) fn statuses(&self, user: &str) -> String {
        self.database.psql(&format!(
            "SELECT string_agg(status, ' ' ORDER BY event_seq) FROM function_runs WHERE user_id = '{user}'"
        ))
    }
}

fn summaries(first: i64, users: &[&str]) -> Vec<EventSummary> {
    let event = |(seq, user): (i64, &&str)| EventSummary {
        place: Place { shard: Shard::new(SHARD), seq },
        user_id: UserId::parse(user).unwrap(),
        name: "a/b".to_owned(),
    };
    (first..).zip(users).map(event).collect()
}

fn runs<'a>(function_id: &'a FunctionId, events: &'a [EventSummary], is_ordered: bool) -> Vec<NewRun<'a>> {
    let run = |event| NewRun { function_id, target: "", event, replay_id: None, is_ordered };
    events.iter().map(run).collect()
}

#[tokio::test]
async fn in_order_one_run_of_each_user_goes_on_and_the_next_is_queued_when_it_ends() {
    let mut stand = Stand::new(ORDERED).await;
    stand.make(1, &["u1", "u2", "u1", "u1"]).await;
    stand.make(5, &["u1", "u2"]).await;
    assert_eq!((stand.statuses("u1"), stand.statuses("u2")), ("queued held held held".into(), "queued held".into()));
    let begun = stand.begin(100).await;
    assert_eq!(begun.len(), 2);
    let of_u1 = |begun: Vec<Claimed>| begun.into_iter().find(|run| run.user_id.as_str() == "u1").unwrap();
    let first = of_u1(begun);
    stand.end(&first, Ending::Retrying(Utc::now(), "away".into())).await;
    assert_eq!(stand.statuses("u1"), "retrying held held held", "it has not ended");
    let first = of_u1(stand.begin(100).await);
    stand.end(&first, Ending::Failed("gone".into())).await;
    assert_eq!((stand.statuses("u1"), stand.statuses("u2")), ("failed queued held held".into(), "running held".into()));

    let pool = stand.database.pool();
    let run_of = |seq: i64| RunId::of(&function_id(), "", Shard::new(SHARD), seq, None);
    assert!(operate::cancel(&pool, run_of(3), &OPERATOR).await.unwrap());
    assert_eq!(stand.statuses("u1"), "failed cancelled queued held");
    assert!(operate::cancel(&pool, run_of(5), &OPERATOR).await.unwrap());
    assert_eq!(stand.statuses("u1"), "failed cancelled queued cancelled", "what was held lets nobody go on");
    assert!(operate::retry(&pool, first.run_id, &OPERATOR).await.unwrap());
    assert_eq!(stand.statuses("u1"), "held cancelled queued cancelled", "it waits for what goes on");
    let third = of_u1(stand.begin(100).await);
    stand.end(&third, Ending::Succeeded).await;
    assert_eq!(stand.statuses("u1"), "queued cancelled succeeded cancelled");
    let first = of_u1(stand.begin(100).await);
    stand.end(&first, Ending::Succeeded).await;
    assert!(operate::retry(&pool, run_of(3), &OPERATOR).await.unwrap());
    assert_eq!(stand.statuses("u1"), "succeeded queued succeeded cancelled", "nothing goes on");
}

#[tokio::test]
async fn a_run_that_ends_while_another_is_blocked_behind_it_queues_it() {
    let mut stand = Stand::new(ORDERED).await;
    stand.make(1, &["u1"]).await;
    let first = stand.begin(1).await.remove(0);
    let (function_id, events, pool) = (function_id(), summaries(2, &["u1"]), stand.database.workers_pool());
    let mut tx = stand.session.begin().await.unwrap();
    dispatch::lock(&mut tx, &[Shard::new(SHARD)]).await.unwrap();
    dispatch::add_runs(&mut tx, &runs(&function_id, &events, true)).await.unwrap();
    let ending = tokio::spawn({
        let function_id = function_id.clone();
        async move { steps::finish(&pool, &function_id, &first, None, &Ending::Succeeded).await }
    });
    stand.database.someone_waits().await;
    tx.commit().await.unwrap();
    assert!(ending.await.unwrap().unwrap());
    assert_eq!(stand.statuses("u1"), "succeeded queued");
}

#[tokio::test]
async fn a_user_at_its_limit_does_not_stand_before_others() {
    let mut stand = Stand::new(Limits { key: KeyOf::User, ..WIDE }).await;
    stand.make(1, &["u1"; 100]).await;
    stand.make(101, &["u2", "u3"]).await;
    let first = stand.begin(2).await;
    assert_eq!(first.iter().map(|run| run.user_id.as_str()).collect::<Vec<_>>(), ["u1"], "all that was looked at");
    let next = stand.begin(2).await;
    assert_eq!(next.iter().map(|run| run.user_id.as_str()).collect::<Vec<_>>(), ["u2", "u3"]);
}

#[tokio::test]
async fn a_user_whose_rate_is_spent_does_not_stand_before_others_nor_does_it_begin() {
    let rate = Rate { interval: TimeDelta::hours(1), burst: 2 };
    let mut stand = Stand::new(Limits { key: KeyOf::User, key_concurrency: 9, key_rate: Some(rate), ..WIDE }).await;
    stand.make(1, &["u1"; 100]).await;
    stand.make(101, &["u2"]).await;
    let of = |begun: &[Claimed], user: &str| begun.iter().filter(|run| run.user_id.as_str() == user).count();
    let first = stand.begin(5).await;
    assert_eq!((of(&first, "u1"), of(&first, "u2")), (2, 0));
    for run in &first {
        stand.end(run, Ending::Succeeded).await;
    }
    let next = stand.begin(5).await;
    assert_eq!((of(&next, "u1"), of(&next, "u2")), (0, 1));
    assert!(stand.begin(5).await.is_empty());
    // A row that is forgotten is as good as a rate that has rested.
    stand.database.psql("UPDATE function_paces SET spent_until = now() - interval '1 s'");
    housekeeping::step(&mut stand.session, &RETENTION).await.unwrap();
    assert_eq!(stand.database.psql("SELECT count(*) FROM function_paces"), "0");
    assert_eq!(of(&stand.begin(5).await, "u1"), 2);
}

#[tokio::test]
async fn a_run_that_was_cancelled_ends_when_its_worker_is_gone_and_an_attempt_writes_for_itself_alone() {
    let mut stand = Stand::new(WIDE).await;
    stand.make(1, &["u1", "u2"]).await;
    let begun = stand.begin(2).await;
    let cancelled = begun.iter().find(|run| run.user_id.as_str() == "u1").unwrap();
    let other = begun.iter().find(|run| run.user_id.as_str() == "u2").unwrap();
    assert!(operate::cancel(&stand.database.pool(), cancelled.run_id, &OPERATOR).await.unwrap());
    let (another, shards) = (Uuid::now_v7(), [Shard::new(SHARD)]);
    let orphans = dispatch::requeue_orphans(&mut stand.session, another, &shards, &[]).await.unwrap();
    assert_eq!(orphans, 0, "their worker lives and is at them, whoever has the shard");
    let both = [cancelled.run_id.as_uuid(), other.run_id.as_uuid()];
    assert_eq!(dispatch::requeue_orphans(&mut stand.session, stand.worker_id, &shards, &both).await.unwrap(), 0);
    stand.database.psql("UPDATE workers SET expires_at = now()");
    assert_eq!(dispatch::requeue_orphans(&mut stand.session, another, &[Shard::new(0)], &[]).await.unwrap(), 0);
    assert_eq!(dispatch::requeue_orphans(&mut stand.session, another, &shards, &[]).await.unwrap(), 2);
    assert_eq!((stand.statuses("u1"), stand.statuses("u2")), ("cancelled".into(), "queued".into()));
    leases::renew(&mut stand.session, stand.worker_id, 600_000).await.unwrap();
    let again = stand.begin(1).await.remove(0);
    assert_eq!((again.run_id, again.attempts), (other.run_id, 2));
    let pool = stand.database.workers_pool();
    assert!(!steps::finish(&pool, &function_id(), other, None, &Ending::Succeeded).await.unwrap(), "it is late");
    stand.end(&again, Ending::Failed("odd \0 error".to_owned())).await;
    assert_eq!(
        stand.database.psql("SELECT failures -> 0 ->> 'error' FROM function_runs WHERE user_id = 'u2'"),
        "odd  error"
    );
}

#[tokio::test]
async fn shards_that_are_farthest_behind_are_looked_at_first() {
    let stand = Stand::new(WIDE).await;
    let mut session = stand.database.session();
    stand.database.psql(
        "UPDATE shard_counters SET events = CASE shard WHEN 0 THEN 10 WHEN 2 THEN 20000 WHEN 3 THEN 11 ELSE 0 END",
    );
    let shards = [0, 1, 2, 3].map(Shard::new);
    let found = dispatch::undispatched(&mut session, &shards, 2).await.unwrap();
    assert_eq!(found.iter().map(|shard| shard.shard.get()).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(found.iter().map(dispatch::Undispatched::until).collect::<Vec<_>>(), [10_000, 11], "in bounded steps");
    assert_eq!(dispatch::undispatched(&mut session, &shards, 9).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_function_begins_no_more_than_its_rate_allows() {
    let rate = Rate { interval: TimeDelta::hours(1), burst: 3 };
    let mut stand = Stand::new(Limits { rate: Some(rate), ..WIDE }).await;
    stand.make(1, &["u1"; 10]).await;
    assert_eq!(stand.begin(2).await.len(), 2);
    assert_eq!(stand.begin(10).await.len(), 1);
    assert!(stand.begin(10).await.is_empty());
    stand.database.psql("UPDATE function_paces SET spent_until = spent_until - interval '1 hour'");
    assert_eq!(stand.begin(10).await.len(), 1);
}

const RETENTION: Retention = Retention { job_days: 90, rejected_days: 90, parked_days: 7, event_days: 30 };

#[tokio::test]
async fn runs_of_functions_that_nobody_runs_any_more_fail_after_the_retention() {
    let mut stand = Stand::new(ORDERED).await;
    stand.make(1, &["u1", "u1"]).await;
    assert_eq!(listeners::all(&mut stand.session).await.unwrap().len(), 1);
    stand.database.psql("UPDATE functions SET seen_at = now() - interval '31 days'");
    assert_eq!(listeners::all(&mut stand.session).await.unwrap().len(), 1, "its worker may only be on its way");
    assert_eq!(housekeeping::step(&mut stand.session, &RETENTION).await.unwrap().given_up, 0);
    stand.database.psql("UPDATE workers SET alive_since = now() - interval '2 hours'");
    stand.database.psql("UPDATE functions SET seen_at = now() - interval '29 days'");
    assert!(listeners::all(&mut stand.session).await.unwrap().is_empty(), "it gets nothing any more");
    assert_eq!(housekeeping::step(&mut stand.session, &RETENTION).await.unwrap().given_up, 0);
    stand.database.psql("UPDATE functions SET seen_at = now() - interval '31 days'");
    assert_eq!(housekeeping::step(&mut stand.session, &RETENTION).await.unwrap().given_up, 2);
    assert_eq!(stand.statuses("u1"), "failed failed");
    let why = stand.database.psql("SELECT DISTINCT failures -> 0 ->> 'error' FROM function_runs");
    assert_eq!(why, "no worker has run the function for 30 days");
    listeners::renew(&mut stand.session, &[&function_id()]).await.unwrap();
    assert_eq!(listeners::all(&mut stand.session).await.unwrap().len(), 1);
}
