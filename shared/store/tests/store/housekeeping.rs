//! Retention, and what the service may not do.

use satchel_model::records::JobStatus;
use satchel_store::Retention;
use satchel_store::actions;
use satchel_store::housekeeping::{self, Cleaned};
use satchel_store::jobs;

use crate::database::Database;
use crate::job::{OPERATOR, park, reward};

const RETENTION: Retention = Retention { job_days: 100, rejected_days: 100, parked_days: 7, event_days: 30 };

/// So many jobs that change nothing, the n-th decided n days ago: of each three one is applied, one is rejected, and one is
/// rejected and has an id made of a key. And ten that change something, a year old.
const DECIDED: &str = r#"
    CREATE FUNCTION decided(n integer, digit text) RETURNS void LANGUAGE sql AS $$
        INSERT INTO records (shard, uid, seq, at, job_id, count, is_rejected, body, seal)
        SELECT 0, uid_of('u' || n, 0), 0, now() - n * interval '1 day',
            overlay(gen_random_uuid()::text PLACING digit FROM 15)::uuid, 0, n % 3 > 0,
            '{"job":{"type":"t"},"actor":"a","requestId":"r","submittedAt":0,"result":{}}', decode(repeat('00', 20), 'hex')
    $$;
    SELECT count(decided(n, CASE n % 3 WHEN 2 THEN '8' ELSE '7' END)) FROM generate_series(1, 200) n;
    INSERT INTO records (shard, uid, seq, at, job_id, count, is_rejected, body, seal)
        SELECT 0, uid_of('u1', 0), n, now() - interval '1 year', gen_random_uuid(), 1, false,
            '{"job":{"type":"t"},"submittedAt":0,"changes":[{"stack":["gold",1,1]}],"result":{}}',
            decode(repeat('00', 32), 'hex')
        FROM generate_series(1, 10) n"#;

/// How many of each kind there are, in that order.
const KINDS: &str = "
    SELECT count(*) FILTER (WHERE count = 0 AND NOT is_rejected),
        count(*) FILTER (WHERE is_rejected AND job_id::text LIKE '______________8%'),
        count(*) FILTER (WHERE is_rejected AND job_id::text LIKE '______________7%'),
        count(*) FILTER (WHERE count = 1)
    FROM records";

#[tokio::test]
async fn decided_jobs_are_forgotten_after_their_retention_and_never_before_ninety_days() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    database.psql(DECIDED);
    let hasty = Retention { job_days: 89, ..RETENTION };
    assert!(housekeeping::clean(&pool, &hasty, &OPERATOR).await.is_err());
    assert_eq!(database.psql(KINDS), "66|67|67|10");
    for retention in ["89, 35", "NULL, 35"] {
        assert!(database.refusal(&format!("SELECT forget_jobs({retention}, 1)")).contains("90 days"));
    }
    assert!(database.refusal("SET ROLE satchel_worker; DELETE FROM records").contains("permission denied"));

    let cleaned = housekeeping::clean(&pool, &RETENTION, &OPERATOR).await.unwrap();
    assert_eq!(cleaned, Cleaned { removed: 101, has_more: false, ..Cleaned::default() });
    let recorded = actions::page(&pool, None, 10).await.unwrap();
    assert_eq!(recorded.len(), 1);
    let detail =
        r#"{"eventsOlderThanDays":30,"jobsOlderThanDays":100,"parkedLongerThanDays":7,"rejectedOlderThanDays":100}"#;
    assert_eq!((&*recorded[0].action, recorded[0].detail.get()), ("clean", detail));
    let least = Retention { job_days: 90, rejected_days: 90, ..RETENTION };
    assert_eq!(housekeeping::step(&mut session, &least).await.unwrap().removed, 10);
    let left = "SELECT max(at) < now() - interval '89 days', count(*) FROM records WHERE count = 0";
    assert_eq!(database.psql(left), "f|89");
    assert_eq!(database.psql(KINDS), "29|30|30|10", "what changes something is kept for ever");
}

#[tokio::test]
async fn rejected_jobs_without_a_key_may_be_forgotten_sooner() {
    let database = Database::new().await;
    let mut session = database.session();
    database.psql(DECIDED);
    for retention in ["90, 34", "90, NULL"] {
        assert!(database.refusal(&format!("SELECT forget_jobs({retention}, 1)")).contains("35 days"));
    }
    assert_eq!(database.psql(KINDS), "66|67|67|10");

    let soon = Retention { rejected_days: 40, ..RETENTION };
    assert_eq!(housekeeping::step(&mut session, &soon).await.unwrap().removed, 33 + 34 + 54);
    assert_eq!(database.psql(KINDS), "33|33|13|10");
    assert_eq!(housekeeping::step(&mut session, &soon).await.unwrap().removed, 0);
    // No others than those, but not later than others either.
    let late = Retention { job_days: 90, rejected_days: 1_000, ..RETENTION };
    database.psql("SELECT decided(97, '7'), decided(98, '7'), decided(98, '8')");
    assert_eq!(housekeeping::step(&mut session, &late).await.unwrap().removed, 3 + 3 + 4);
}

#[tokio::test]
async fn what_was_withdrawn_is_kept_as_long_as_it_may_come_back() {
    let database = Database::new().await;
    database.psql(DECIDED);
    database.psql(
        "INSERT INTO withdrawals (job_id, shard, withdrawn_by, request_id, keep_until)
         SELECT job_id, shard, 'o', 'r', now() + CASE rank() OVER (ORDER BY at) WHEN 1 THEN -1 ELSE 1 END * interval '1 day'
         FROM records WHERE count = 0 ORDER BY at LIMIT 3;
         INSERT INTO job_claims (job_id, shard) SELECT job_id, shard FROM withdrawals",
    );
    assert_eq!(database.psql("SELECT removed, has_more FROM forget_jobs(100, 100, 1000)"), "99|f");
    assert_eq!(database.psql("SELECT count(*) FROM withdrawals JOIN records USING (job_id)"), "2");
    assert_eq!(database.psql("SELECT count(*) FROM withdrawals"), "2", "one has gone with its record");
    assert_eq!(database.psql("SELECT count(*) FROM job_claims JOIN records USING (job_id, shard)"), "2");
    assert_eq!(database.psql("SELECT count(*) FROM job_claims"), "2", "the third may be decided anew by any shard");
}

#[tokio::test]
async fn cleaning_takes_longer_than_the_statements_of_other_requests_may() {
    let database = Database::new().await;
    database.psql(
        "ALTER FUNCTION forget_jobs RENAME TO forget_jobs_at_once;
         CREATE FUNCTION forget_jobs(integer, integer, bigint, OUT removed bigint, OUT has_more boolean)
         LANGUAGE sql SECURITY DEFINER AS 'SELECT pg_sleep(0.5); SELECT * FROM forget_jobs_at_once($1, $2, $3)'",
    );
    let pool = database.hurried_pool(200);
    housekeeping::clean(&pool, &RETENTION, &OPERATOR).await.unwrap();
}

#[tokio::test]
async fn no_more_are_forgotten_at_once_than_asked_for_the_oldest_first() {
    let database = Database::new().await;
    database.psql(DECIDED);
    let (mut removed, mut has_more, mut oldest) = (0, true, 201);
    while has_more {
        let step = database.psql("SET ROLE satchel_worker; SELECT removed, has_more FROM forget_jobs(90, 90, 10)");
        let (some, more) = step.rsplit_once('\n').map_or(&*step, |(_, last)| last).split_once('|').unwrap();
        let some: i64 = some.parse().unwrap();
        assert!(some <= 20, "ten of each kind");
        (removed, has_more) = (removed + some, more == "t");
        let left = database.psql("SELECT max(extract(day FROM now() - at))::integer FROM records WHERE count = 0");
        let left = left.parse().unwrap();
        assert!(left < oldest);
        oldest = left;
    }
    assert_eq!((removed, oldest), (111, 89));
}

#[tokio::test]
async fn jobs_parked_beyond_their_retention_are_archived_and_their_users_go_on() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (old, behind, young) = (reward("u1", 1), reward("u1", 2), reward("u2", 1));
    park(&mut session, &[&old, &behind], None).await;
    park(&mut session, &[&young], None).await;
    database
        .psql("UPDATE parked_jobs SET parked_at = now() - interval '8 days' WHERE user_id = 'u1' AND state = 'parked'");
    let cleaned = housekeeping::step(&mut session, &RETENTION).await.unwrap();
    assert_eq!(cleaned, Cleaned { archived: 1, ..Cleaned::default() });

    let record = jobs::find(&pool, old.job_id).await.unwrap().unwrap();
    assert_eq!(record.status, JobStatus::Rejected);
    assert!(record.result.get().starts_with(r#"{"code":"expired""#));
    assert_eq!(
        database.psql("SELECT job_id, archived_by, reason FROM archived_jobs"),
        format!("{}|system|expired", old.job_id)
    );
    assert_eq!(database.psql("SELECT user_id, state FROM parked_jobs ORDER BY user_id"), "u1|retrying\nu2|parked");
    let recorded = actions::page(&pool, None, 10).await.unwrap();
    assert_eq!((&*recorded[0].actor, &*recorded[0].action), ("system", "expire"));
    assert!(database.audit().await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn what_was_done_and_archived_cannot_be_changed_even_by_the_owner() {
    let database = Database::new().await;
    let mut session = database.session();
    park(&mut session, &[&reward("u1", 1)], None).await;
    housekeeping::clean(&database.pool(), &RETENTION, &OPERATOR).await.unwrap();
    for table in ["operator_actions", "archived_jobs"] {
        for change in [format!("DELETE FROM {table}"), format!("TRUNCATE {table}")] {
            assert!(database.refusal(&change).contains("append-only"), "{change}");
            let as_service = format!("SET ROLE satchel_worker; {change}");
            assert!(database.refusal(&as_service).contains("permission denied"), "{as_service}");
        }
    }
    for change in [
        "UPDATE operator_actions SET actor = 'x'",
        "UPDATE archived_jobs SET archived_by = 'x'",
        "UPDATE parked_jobs SET body = '{}'",
        "UPDATE parked_jobs SET position = DEFAULT",
        "UPDATE journal SET seq = 1",
        "UPDATE user_names SET user_id = 'x'",
        "DELETE FROM user_names",
        "UPDATE users SET uid = 1",
        "UPDATE records SET body = ''",
        "DELETE FROM queue_state",
        "DELETE FROM shard_counters",
        "INSERT INTO shard_counters (shard) VALUES (99)",
    ] {
        let as_service = format!("SET ROLE satchel_worker; {change}");
        assert!(database.refusal(&as_service).contains("permission denied"), "{change}");
    }
}

/// A hundred events of shard 3, the n-th n days old, the oldest with the lowest number; all were given to functions but the
/// newest ten. A run for the one of 60 days ago is unfinished.
const EVENTS: &str = "
    INSERT INTO event_batches (shard, seq, count, at, uids, job_ids, kinds, details)
        SELECT 3, 101 - n, 1, now() - n * interval '1 day', '{1}', '{NULL}', '[[\"a/b\",1]]', ARRAY[json_build_object('id', n)::text]
        FROM generate_series(1, 100) n;
    UPDATE shard_counters SET events = 100 WHERE shard = 3;
    UPDATE event_cursors SET dispatched = 90 WHERE shard = 3;
    INSERT INTO function_runs (run_id, function_id, target, shard, event_seq, user_id, event_name, status, finished_at)
        SELECT gen_random_uuid(), 'a-b-c', '', 3, 101 - n, 'u1', 'a/b',
            CASE WHEN n = 60 THEN 'sleeping' ELSE 'succeeded' END, CASE WHEN n <> 60 THEN now() - n * interval '1 day' END
        FROM generate_series(1, 100) n;
    INSERT INTO function_steps (run_id, shard, step_hash, nth, step_id, result)
        SELECT run_id, shard, decode(repeat('00', 32), 'hex'), 0, 's', '1' FROM function_runs";

#[tokio::test]
async fn events_and_ended_runs_are_forgotten_after_their_retention_but_none_that_is_needed() {
    let database = Database::new().await;
    let mut session = database.session();
    database.psql(EVENTS);
    assert!(database.refusal("SELECT forget_events(0, 1)").contains("at least a day"));
    assert!(database.refusal("SET ROLE satchel_worker; DELETE FROM event_batches").contains("permission denied"));
    assert!(database.refusal("UPDATE event_batches SET at = now()").contains("append-only"));

    let cleaned = housekeeping::step(&mut session, &RETENTION).await.unwrap();
    assert_eq!(
        (cleaned.events, cleaned.runs),
        (40, 70),
        "from 100 to 61 days ago; runs from 100 to 31, but the unfinished one"
    );
    assert_eq!(database.psql("SELECT min(seq), count(*) FROM events"), "41|60");
    assert_eq!(
        database.psql("SELECT count(*), count(*) FILTER (WHERE status = 'sleeping') FROM function_runs"),
        "30|1"
    );
    assert_eq!(database.psql("SELECT count(*) FROM function_steps"), "30");

    database.psql("UPDATE function_runs SET status = 'succeeded', finished_at = now() WHERE status = 'sleeping'");
    let short = Retention { event_days: 1, ..RETENTION };
    let cleaned = housekeeping::step(&mut session, &short).await.unwrap();
    assert_eq!(cleaned.events, 50, "up to the ten that were not given to functions");
    assert_eq!(database.psql("SELECT removed, has_more FROM forget_events(1, 5)"), "0|f");
    database.psql("UPDATE event_cursors SET dispatched = 100 WHERE shard = 3");
    assert_eq!(database.psql("SELECT removed, has_more FROM forget_events(1, 5)"), "5|t");
    assert_eq!(
        database.psql("SELECT first_event_since(3, now() - interval '2 days 1 hour'), first_event_since(3, now())"),
        "99|101"
    );
}
