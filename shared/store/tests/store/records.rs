//! Records: kept as they were written, and as people see them.

use satchel_model::facts::Holding;
use satchel_model::fold::HoldingChange;
use satchel_model::ids::{EventId, ItemId, JobId};
use satchel_model::ledger::{Record, RecordedChange, StackChange, UsedChange};
use satchel_model::operations::Envelope;
use satchel_model::records::JobStatus;
use satchel_store::failed::{self, Filter};
use satchel_store::progress::{self, Progress};
use satchel_store::{Session, StoreError, Tx, jobs};
use tokio::sync::Notify;

use crate::database::Database;
use crate::job::{OPERATOR, body, decide, find, next_record, park, reward, shard, user};

fn stack(id: &str, delta: i64, balance: i64, cause: Option<&str>) -> RecordedChange {
    RecordedChange::Stack(StackChange(ItemId::parse(id).unwrap(), delta, balance, cause.map(Into::into)))
}

/// Writes a record and nothing else.
async fn write(tx: &mut Tx<'_>, record: Record) -> Result<(), StoreError> {
    let at = record.at;
    progress::write(tx, Progress { records: &[record], ..Progress::none(at) }).await
}

/// Holdings of a user's, all new.
async fn hold(session: &mut Session, user_id: &str, items: &[(&str, i64)]) {
    let user_id = user(user_id);
    let (mut tx, found) = find(session, &user_id).await;
    let items: Vec<_> = items.iter().map(|(id, quantity)| (ItemId::parse(id).unwrap(), *quantity)).collect();
    let holding = |quantity| Holding { quantity, granted_total: quantity, used_total: 0 };
    let holdings: Vec<_> = items
        .iter()
        .map(|(item_id, quantity)| HoldingChange {
            user: found.key,
            item_id,
            holding: holding(*quantity),
            found: None,
            granted: true,
            used: false,
        })
        .collect();
    let progress = Progress { holdings: &holdings, ..Progress::none(chrono::Utc::now()) };
    progress::write(&mut tx, progress).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn nobody_changes_a_record_or_deletes_one_that_changes_something() {
    let database = Database::new().await;
    let mut session = database.session();
    decide(&mut session, &reward("ann", 1), &[stack("gold", 1, 1, None)]).await;
    decide(&mut session, &reward("ann", 2), &[]).await;
    database
        .psql("INSERT INTO rule_grants (shard, uid, rule_id, value) SELECT shard, uid, 'welcome', '1' FROM user_names");
    let rows = "SELECT (SELECT string_agg(r::text, ' ' ORDER BY seq, count) FROM records r), (SELECT count(*) FROM rule_grants)";
    let before = database.psql(rows);
    for owner in ["", "SET ROLE satchel_owner; ", "SET session_replication_role = replica; "] {
        for change in [
            "UPDATE records SET body = '{}'",
            "UPDATE records SET at = now() WHERE count = 0",
            "UPDATE records SET seal = NULL WHERE count = 0",
            "UPDATE records SET seal = sha256('x') WHERE count > 0",
            "TRUNCATE records",
            "DELETE FROM records",
            "DELETE FROM records WHERE count > 0",
            "UPDATE rule_grants SET value = '2'",
            "DELETE FROM rule_grants",
            "TRUNCATE rule_grants",
        ] {
            let refused = database.refusal(&format!("{owner}{change}"));
            assert!(refused.contains("append-only"), "{owner}{change}: {refused}");
        }
    }
    for role in ["satchel_api", "satchel_worker"] {
        for change in
            ["UPDATE records SET body = '{}'", "DELETE FROM records WHERE count = 0", "DELETE FROM rule_grants"]
        {
            let refused = database.refusal(&format!("SET ROLE {role}; {change}"));
            assert!(refused.contains("permission denied"), "{role} {change}: {refused}");
        }
    }
    assert_eq!(database.psql(rows), before);
    // A new key signs what changes nothing anew.
    database.psql("SET ROLE satchel_owner; UPDATE records SET seal = decode(repeat('01', 20), 'hex') WHERE count = 0");
    assert_ne!(database.psql(rows), before);
    assert_eq!(database.psql("SET ROLE satchel_api; SELECT removed FROM forget_jobs(90, 35, 100)"), "0");
}

#[tokio::test]
async fn a_job_is_decided_once_and_a_number_is_given_once() {
    let database = Database::new().await;
    let mut session = database.session();
    let (job, other) = (reward("ann", 1), reward("ann", 2));
    let changes = [stack("gold", 1, 1, None)];
    decide(&mut session, &job, &changes).await;
    for changes in [&changes[..], &changes[..0]] {
        let (mut tx, found) = find(&mut session, &user("ann")).await;
        let text = body(&job, &job.job.canonical(), changes).text();
        let (record, _) = next_record(&found, Some(job.job_id), changes.len(), text);
        let refused = write(&mut tx, record).await;
        assert!(matches!(refused, Err(StoreError::Decided)), "{refused:?}");
        drop(tx);
        session.reset();
    }
    let (mut tx, found) = find(&mut session, &user("ann")).await;
    let text = body(&other, &other.job.canonical(), &changes).text();
    let (mut record, _) = next_record(&found, Some(other.job_id), 1, text);
    record.seq = 1;
    let refused = write(&mut tx, record).await;
    assert!(matches!(refused, Err(StoreError::Database(_))), "{refused:?}");
    drop(tx);
    session.reset();
    assert_eq!(database.psql("SELECT count(*) FROM records"), "1");
}

/// Writes the record of a job for a user, in a transaction of its own.
async fn write_of(database: &Database, user_id: &str, job: &Envelope) -> Result<(), StoreError> {
    let mut session = database.session();
    let (mut tx, found) = find(&mut session, &user(user_id)).await;
    let (record, _) = next_record(&found, Some(job.job_id), 0, body(job, &job.job.canonical(), &[]).text());
    write(&mut tx, record).await?;
    tx.commit().await
}

#[tokio::test]
async fn a_job_whose_id_leads_to_no_shard_is_decided_in_one_of_them() {
    let database = Database::new().await;
    let (ann, bob) =
        ("ann", ["bob", "cat", "dan", "eve"].into_iter().find(|id| shard(&user(id)) != shard(&user("ann"))));
    let bob = bob.unwrap();
    for is_decided in [true, false] {
        let mut job = reward(ann, 1);
        job.job_id = JobId::of_event("service:game", &EventId::parse(&format!("e-{is_decided}")).unwrap());
        let written = Notify::new();
        let anns = async {
            let mut session = database.session();
            let (mut tx, found) = find(&mut session, &user(ann)).await;
            let (record, _) = next_record(&found, Some(job.job_id), 0, body(&job, &job.job.canonical(), &[]).text());
            write(&mut tx, record).await.unwrap();
            written.notify_one();
            database.someone_waits().await;
            if is_decided {
                tx.commit().await.unwrap();
            } else {
                drop(tx);
            }
            session.reset();
        };
        let bobs = async {
            written.notified().await;
            write_of(&database, bob, &job).await
        };
        let ((), other) = tokio::join!(anns, bobs);
        match other {
            Err(StoreError::Decided) => assert!(is_decided),
            other => assert!(!is_decided && other.is_ok(), "{other:?}"),
        }
        // Whoever comes later is refused in any case.
        for user_id in [ann, bob] {
            let refused = write_of(&database, user_id, &job).await;
            assert!(matches!(refused, Err(StoreError::Decided)), "{user_id}: {refused:?}");
        }
    }
    assert_eq!(database.psql("SELECT count(*), count(DISTINCT job_id) FROM records"), "2|2");
    assert_eq!(database.psql("SELECT count(*) FROM job_claims JOIN records USING (job_id, shard)"), "2");
}

#[tokio::test]
async fn the_views_say_what_the_tables_do() {
    let database = Database::new().await;
    let (pool, mut session) = (database.pool(), database.session());
    let (first, nothing, removed) = (reward("ann", 1), reward("ann", 2), reward("bob", 3));
    let used = RecordedChange::Used(UsedChange(ItemId::parse("key").unwrap(), 1));
    decide(&mut session, &first, &[stack("gold", 5, 5, None), used, stack("key", 1, 1, Some("rule:x"))]).await;
    decide(&mut session, &nothing, &[]).await;
    hold(&mut session, "ann", &[("gold", 5), ("key", 1)]).await;
    // Another party of the first job.
    let (mut tx, found) = find(&mut session, &user("bob")).await;
    let party = [stack("gold", -5, 0, None)];
    let text = body(&first, &first.job.canonical(), &party).text_of_party(first.job_id);
    let (record, _) = next_record(&found, None, party.len(), text);
    write(&mut tx, record).await.unwrap();
    tx.commit().await.unwrap();
    park(&mut session, &[&removed], None).await;
    assert_eq!(failed::remove(&pool, &Filter::default(), 10, &OPERATOR).await.unwrap(), [removed.job_id]);

    let rows = database.psql(
        "SELECT user_id, seq, job_id, item_id, delta, balance, type, actor, cause, catalogue_version
         FROM ledger ORDER BY user_id, seq",
    );
    let id = first.job_id;
    let expected = [
        format!("ann|1|{id}|gold|5|5|reward_inventory_item|service:game||3"),
        format!("ann|3|{id}|key|1|1|reward_inventory_item|service:game|rule:x|3"),
        format!("bob|1|{id}|gold|-5|0||player:bob||3"),
    ];
    assert_eq!(rows, expected.join("\n"));
    let in_chain = "SELECT bool_and(hash = seal AND ledger.at = records.at)
        FROM ledger JOIN records USING (job_id) WHERE user_id = 'ann'";
    assert_eq!(database.psql(in_chain), "t");

    assert_eq!(database.psql("SELECT count(*) FROM jobs"), "3");
    for (job, status) in [(&first, JobStatus::Applied), (&nothing, JobStatus::Applied), (&removed, JobStatus::Rejected)]
    {
        let found = jobs::find(&pool, job.job_id).await.unwrap().unwrap();
        assert_eq!((found.status, found.submitted_at), (status, job.submitted_at));
        assert_eq!(found.payload_hash, job.job.payload_hash());
        let row = database.psql(&format!(
            "SELECT user_id, type, status, actor, request_id, attempts,
                 (extract(epoch FROM submitted_at) * 1000000)::bigint, (extract(epoch FROM applied_at) * 1000000)::bigint,
                 result
             FROM jobs WHERE job_id = '{}'",
            job.job_id
        ));
        let told = if status == JobStatus::Applied { "applied" } else { "rejected" };
        let expected = format!(
            "{}|{}|{told}|{}|{}|{}|{}|{}|{}",
            found.user_id,
            found.job_type,
            found.actor,
            found.request_id,
            found.attempts,
            found.submitted_at.timestamp_micros(),
            found.applied_at.timestamp_micros(),
            found.result,
        );
        assert_eq!(row, expected);
        assert_eq!((found.actor, found.request_id), (job.actor.to_string(), job.request_id.to_string()));
    }

    let held =
        "SELECT user_id, item_id, quantity, granted_total, used_total, last_granted_at = updated_at, last_used_at
        FROM inventory ORDER BY item_id";
    assert_eq!(database.psql(held), "ann|gold|5|5|0|t|\nann|key|1|1|0|t|");
}

#[tokio::test]
async fn an_audit_finds_what_does_not_fit_the_records() {
    let database = Database::new().await;
    let mut session = database.session();
    for user_id in ["u1", "u2", "u3", "u4"] {
        decide(&mut session, &reward(user_id, 1), &[stack("gold", 5, 5, None), stack("key", 1, 1, None)]).await;
        decide(&mut session, &reward(user_id, 1), &[stack("gold", -2, 3, None)]).await;
        hold(&mut session, user_id, &[("gold", 3), ("key", 1)]).await;
    }
    let report = database.audit().await.unwrap();
    assert!(report.findings.is_empty(), "{:?}", report.findings);
    assert_eq!((report.records, report.changes), (8, 12));
    let of = |user_id: &str| format!("uid = (SELECT uid FROM user_names WHERE user_id = '{user_id}')");
    database.psql(&format!(
        "UPDATE holdings SET quantity = 4 WHERE {} AND item_id = 'gold';
         UPDATE users SET version = 2 WHERE {};
         DELETE FROM holdings WHERE {} AND item_id = 'key';
         ALTER TABLE records DISABLE TRIGGER unchanged;
         UPDATE records SET body = replace(body, '\"gold\",5,5', '\"gold\",6,6') WHERE {};",
        of("u1"),
        of("u2"),
        of("u3"),
        of("u4"),
    ));
    let found = database.audit().await.unwrap().findings;
    let mut users: Vec<&str> = found.iter().map(|finding| finding.user_id.as_str()).collect();
    users.dedup();
    assert_eq!(users, ["u1", "u2", "u3", "u4"], "{found:?}");
}
