//! Many runs that nobody wants any more, and which of them begin first.

use std::time::Duration;

use satchel_model::ids::UserId;
use satchel_store::functions::RunStatus;
use satchel_store::functions::cancel::{self, Filter, MAX_PER_PORTION};
use satchel_store::functions::claims::{KeyOf, Limits};

use crate::functions::{ORDERED, Stand, WIDE, function_id};
use crate::job::OPERATOR;

const HOUR: Duration = Duration::from_hours(1);

/// Makes so many runs for each of these users directly; with `ordered` all but the first of each are held.
fn flood(stand: &Stand, users: &[&str], runs: i64, ordered: bool) {
    for user in users {
        stand.database.psql(&format!(
            "INSERT INTO function_runs (run_id, function_id, target, shard, event_seq, user_id, event_name, is_ordered, status)
             SELECT gen_random_uuid(), 'a-b-c', '', 1, n, '{user}', 'a/b', {ordered},
                 CASE WHEN {ordered} AND n > 1 THEN 'held' ELSE 'queued' END
             FROM generate_series(1, {runs}) n"
        ));
    }
}

#[tokio::test]
async fn a_flood_ends_in_bounded_portions_and_what_is_blocked_is_not_queued_by_it() {
    let stand = Stand::new(ORDERED).await;
    flood(&stand, &["u1", "u2"], 5_400, true);
    let (pool, id) = (stand.database.pool(), function_id());
    let all = Filter::default();
    assert_eq!(cancel::count(&pool, &id, &all).await.unwrap(), 10_800);
    let first = cancel::cancel(&pool, &id, &all, Some("import"), &OPERATOR).await.unwrap();
    assert_eq!((first.cancelled, first.remaining), (10_000, 800));
    let statuses =
        "SELECT string_agg(DISTINCT status, ' ' ORDER BY status) FROM function_runs WHERE finished_at IS NULL";
    assert_eq!(stand.database.psql(statuses), "held queued", "heads are the last to end");
    let last = cancel::cancel(&pool, &id, &all, Some("import"), &OPERATOR).await.unwrap();
    assert_eq!((last.cancelled, last.remaining), (800, 0));
    let recorded = stand.database.psql(
        "SELECT sum((detail ->> 'cancelled')::integer) || '|' || max((detail ->> 'cancelled')::integer)
         FROM operator_actions WHERE action = 'cancel-runs'",
    );
    assert_eq!(recorded, format!("10800|{MAX_PER_PORTION}"));
}

#[tokio::test]
async fn a_filter_leaves_what_does_not_fit_and_what_goes_on_ends_before_its_next_step() {
    let mut stand = Stand::new(WIDE).await;
    flood(&stand, &["u1"], 3, false);
    let running = stand.begin(1).await.remove(0);
    flood(&stand, &["u2"], 2, false);
    let (pool, id) = (stand.database.pool(), function_id());
    let of_u1 = Filter { user_id: Some(UserId::parse("u1").unwrap()), ..Filter::default() };
    let queued = Filter { status: Some(RunStatus::Queued), ..of_u1.clone() };
    assert_eq!(cancel::count(&pool, &id, &queued).await.unwrap(), 2);
    assert_eq!(cancel::cancel(&pool, &id, &of_u1, None, &OPERATOR).await.unwrap().cancelled, 3);
    assert_eq!(stand.statuses("u2"), "queued queued");
    assert_eq!(cancel::count(&pool, &id, &of_u1).await.unwrap(), 0, "it is on its way");
    let told = stand.database.psql("SELECT count(*) FROM function_runs WHERE status = 'running' AND is_cancelled");
    assert_eq!((told.as_str(), running.user_id.as_str()), ("1", "u1"));
}

#[tokio::test]
async fn what_is_too_old_is_dropped_unless_it_goes_on_or_sleeps_or_is_wanted() {
    let stand = Stand::new(WIDE).await;
    flood(&stand, &["u1", "u2", "u3", "u4", "u5"], 1, false);
    stand.database.psql("UPDATE function_runs SET created_at = now() - interval '2 hours' WHERE user_id <> 'u5'");
    stand.database.psql("UPDATE function_runs SET status = 'running' WHERE user_id = 'u2'");
    stand.database.psql("UPDATE function_runs SET status = 'sleeping', attempts = 1 WHERE user_id = 'u3'");
    stand.database.psql("UPDATE function_runs SET is_wanted = true WHERE user_id = 'u4'");
    let mut session = stand.database.session();
    assert_eq!(cancel::drop_old(&mut session, &function_id(), HOUR).await.unwrap(), (1, false));
    let statuses = ["u1", "u2", "u3", "u4", "u5"].map(|user| stand.statuses(user));
    assert_eq!(statuses, ["cancelled", "running", "sleeping", "queued", "queued"]);
    // As many at once as one transaction may, and then there may be more.
    flood(&stand, &["v1"], MAX_PER_PORTION + 1, false);
    stand.database.psql("UPDATE function_runs SET created_at = now() - interval '2 hours' WHERE user_id = 'v1'");
    let most = u64::try_from(MAX_PER_PORTION).unwrap();
    assert_eq!(cancel::drop_old(&mut session, &function_id(), HOUR).await.unwrap(), (most, true));
    assert_eq!(cancel::drop_old(&mut session, &function_id(), HOUR).await.unwrap(), (1, false));
}

#[tokio::test]
async fn the_newest_begins_first_where_a_function_wants_that() {
    for key in [KeyOf::Nothing, KeyOf::User] {
        let mut stand = Stand::new(Limits { key, key_concurrency: 9, newest_first: true, ..WIDE }).await;
        flood(&stand, &["u1"], 5, false);
        stand.database.psql("UPDATE function_runs SET due_at = now() - interval '1 hour' + event_seq * interval '1 s'");
        stand.database.psql("UPDATE function_runs SET due_at = now() + interval '1 hour' WHERE event_seq = 5");
        let begun = stand.begin(2).await;
        let mut seqs: Vec<i64> = begun.iter().map(|run| run.event.seq).collect();
        seqs.sort_unstable();
        assert_eq!(seqs, [3, 4], "by {key:?}; the last is not due");
    }
}
