//! What is reported of stores that answer this or that.

use chrono::DateTime;
use satchel_queue::{Durability, Setting};
use satchel_store::watermarks::Loss;

use super::report::{Report, Told};
use crate::intake::JournalMode;

fn going(is_paused: bool, shards_without_owner: i64) -> Told {
    Told { is_paused, shards_without_owner, loss: None }
}

fn away<T>() -> Result<T, String> {
    Err("it is read-only".to_owned())
}

fn weak() -> Durability {
    let known = |value: &str| Setting::Known(value.to_owned());
    Durability { appendonly: known("no"), appendfsync: known("always"), maxmemory_policy: known("noeviction") }
}

fn strong() -> Durability {
    Durability { appendonly: Setting::Known("yes".to_owned()), ..weak() }
}

#[test]
fn without_redis_it_is_ready_only_with_a_journal() {
    let report = |journal| serde_json::to_value(Report::of(Ok(going(false, 0)), away(), journal)).unwrap();
    let without = report(JournalMode::None);
    assert_eq!((&without["status"], &without["journal"]), (&"unavailable".into(), &"none".into()));
    let with = report(JournalMode::Postgres);
    assert_eq!((&with["status"], &with["journal"]), (&"ok".into(), &"postgres".into()));
    assert_eq!(with["checks"]["redis"]["status"], "unavailable");
    assert_eq!(with["checks"]["redis"]["reason"], "it is read-only");
    assert_eq!(with["checks"]["redis"]["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn without_postgres_it_is_never_ready() {
    for journal in [JournalMode::None, JournalMode::Postgres] {
        let report = serde_json::to_value(Report::of(away(), Ok(weak()), journal)).unwrap();
        assert_eq!(report["status"], "unavailable");
        assert_eq!(report["checks"]["postgres"]["reason"], "it is read-only");
        assert!(report["checks"]["queue"].get("paused").is_none());
    }
}

#[test]
fn a_journal_prevents_what_weak_settings_would_lose() {
    let report = |durability: Durability, journal| {
        serde_json::to_value(Report::of(Ok(going(false, 0)), Ok(durability), journal)).unwrap()
    };
    let warnings = |report: serde_json::Value| report["checks"]["redis"]["warnings"].as_array().unwrap().len();
    assert_eq!(warnings(report(weak(), JournalMode::None)), 1);
    assert_eq!(warnings(report(weak(), JournalMode::Postgres)), 0);
    let forgets = Durability {
        appendonly: Setting::InMemory,
        appendfsync: Setting::InMemory,
        maxmemory_policy: Setting::InMemory,
    };
    assert_eq!(warnings(report(forgets, JournalMode::Postgres)), 1);
}

#[test]
fn what_redis_does_not_show_is_no_warning_and_said_as_one_sentence() {
    let hidden =
        Durability { appendonly: Setting::Unknown, appendfsync: Setting::Unknown, maxmemory_policy: Setting::Unknown };
    assert_eq!(
        hidden.unseen().unwrap(),
        "Redis does not show all of its settings: make sure that it has appendonly yes, appendfsync always, \
         maxmemory-policy noeviction"
    );
    assert!(weak().unseen().is_none() && hidden.warnings().is_empty());
    let report = serde_json::to_value(Report::of(Ok(going(false, 0)), Ok(hidden), JournalMode::None)).unwrap();
    assert_eq!(report["checks"]["redis"]["durability"]["appendonly"], "unknown");
}

#[test]
fn shards_without_a_worker_are_a_warning() {
    let told = serde_json::to_value(Report::of(Ok(going(false, 3)), away(), JournalMode::Postgres)).unwrap();
    assert_eq!((&told["status"], &told["checks"]["queue"]["shardsWithoutOwner"]), (&"ok".into(), &3.into()));
    assert!(told["checks"]["queue"]["warnings"][0].as_str().unwrap().contains("3 shards have no worker"));
}

#[test]
fn a_paused_queue_is_a_warning() {
    let report = Report::of(Ok(going(true, 0)), away(), JournalMode::Postgres);
    assert!(report.is_ready());
    let told = serde_json::to_value(report).unwrap();
    assert_eq!(told["checks"]["queue"]["paused"], true);
    assert!(told["checks"]["queue"]["warnings"][0].as_str().unwrap().contains("paused"));
}

#[test]
fn a_wrong_clock_is_never_ready_and_says_how_far_it_is_off() {
    let report = || Report::of(Ok(going(false, 0)), away(), JournalMode::Postgres);
    let told = serde_json::to_value(report().with_clock(Some(-7), None)).unwrap();
    assert_eq!((&told["status"], &told["checks"]["clock"]["offsetMs"]), (&"ok".into(), &(-7).into()));
    let wrong = report().with_clock(Some(400_000), Some("it is ahead".to_owned()));
    assert!(!wrong.is_ready());
    let told = serde_json::to_value(wrong).unwrap();
    assert_eq!((&told["status"], &told["checks"]["clock"]["status"]), (&"unavailable".into(), &"wrong".into()));
    assert_eq!(told["checks"]["clock"]["reason"], "it is ahead");
}

#[test]
fn a_journal_that_is_kept_for_others_is_a_warning() {
    let report = |set| {
        let report = Report::of(Ok(going(false, 0)), away(), JournalMode::Postgres).with_setting(set);
        serde_json::to_value(report).unwrap()["checks"]["queue"]["warnings"].as_array().unwrap().len()
    };
    assert_eq!((report(JournalMode::Postgres), report(JournalMode::None)), (0, 1));
}

#[test]
fn what_a_queue_has_forgotten_is_told_and_since_when() {
    let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let report = |lost_since, journal| {
        let told = Told { loss: Some(Loss { at, lost_since, shards: 7 }), ..going(false, 0) };
        let report = Report::of(Ok(told), Ok(strong()), journal);
        assert!(report.is_ready());
        let queue = serde_json::to_value(report).unwrap()["checks"]["queue"].clone();
        (queue["beganAnew"].clone(), queue["warnings"][0].as_str().unwrap().to_owned())
    };
    let (told, warning) = report(Some(at), JournalMode::None);
    let time = "2023-11-14T22:13:20.000000Z";
    assert_eq!(told, serde_json::json!({"at": time, "lostSince": time, "shards": 7}));
    assert!(warning.starts_with("7 shards") && warning.ends_with(&format!("since {time} may be gone")), "{warning}");
    let (told, warning) = report(None, JournalMode::None);
    assert!(told["lostSince"].is_null() && warning.ends_with("jobs that waited may be gone"), "{told} {warning}");
    assert!(report(None, JournalMode::Postgres).1.contains("the journal has the jobs"));
}
