//! The key that signs where ledgers end: changed under load, after which the old one is worth nothing.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use satchel_model::ids::Uid;
use satchel_model::ledger::{Head, LedgerKey};
use satchel_testkit::job::{reward_pieces, use_item};
use satchel_testkit::{LEDGER_KEY, Satchel, Setup, binary};
use satchel_tests::invariants;
use serde_json::{Value, json};

const NEW_KEY: &str = "the-new-ledger-key-the-new-ledger-key";

const OLD_TRUSTS_NEW: [(&str, &str); 2] =
    [("SATCHEL_LEDGER_KEY", LEDGER_KEY), ("SATCHEL_LEDGER_KEY_PREVIOUS", NEW_KEY)];
const NEW_TRUSTS_OLD: [(&str, &str); 2] =
    [("SATCHEL_LEDGER_KEY", NEW_KEY), ("SATCHEL_LEDGER_KEY_PREVIOUS", LEDGER_KEY)];
const NEW_ALONE: [(&str, &str); 1] = [("SATCHEL_LEDGER_KEY", NEW_KEY)];
const OLD_ALONE: [(&str, &str); 1] = [("SATCHEL_LEDGER_KEY", LEDGER_KEY)];

/// More than a step's.
const USERS: usize = 1_100;
/// An array's.
const MAX_ENTRIES: usize = 1_000;

/// `satchel ledger rekey`: whether it succeeded, what it printed, and what it said beside that.
fn rekey(owner_url: &str, keys: &[(&str, &str)]) -> (bool, String, String) {
    let output = Command::new(binary("satchel"))
        .args(["ledger", "rekey"])
        .env_clear()
        .env("SATCHEL_OWNER_DATABASE_URL", owner_url)
        .envs(keys.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

async fn submit_all(satchel: &Satchel, jobs: &[Value]) -> Vec<String> {
    let mut ids = Vec::new();
    for part in jobs.chunks(MAX_ENTRIES) {
        ids.extend(satchel.game().submit(&json!(part)).await.expect(202).job_ids());
    }
    ids
}

/// How many heads, and records without changes, are signed by each key, which the first 4 bytes of a MAC name.
fn signed_by(satchel: &Satchel) -> BTreeMap<String, usize> {
    let key_id = |key: &str| {
        let mac = LedgerKey::new(key.as_bytes()).unwrap().sign_head(Uid::new(1), &Head::GENESIS);
        hex::encode(&mac.as_bytes()[..4])
    };
    let names = BTreeMap::from([(key_id(LEDGER_KEY), "old"), (key_id(NEW_KEY), "new")]);
    let mut counts = BTreeMap::new();
    for (what, sql) in [
        ("heads", "SELECT encode(mac, 'hex') FROM users WHERE version > 0"),
        ("records", "SELECT encode(seal, 'hex') FROM records WHERE count = 0 AND seal IS NOT NULL"),
    ] {
        for mac in satchel.database.owner.run(sql).lines() {
            *counts.entry(format!("{} {what}", names[&mac[..8]])).or_default() += 1;
        }
    }
    counts
}

#[tokio::test]
async fn the_key_is_changed_under_load_and_the_old_one_is_refused_then() {
    let satchel = Setup::new().brisk().worker_env("SATCHEL_MAX_BATCH_JOBS", "500").workers(0).start().await;
    satchel.start_worker_with(&OLD_TRUSTS_NEW);
    let rewards: Vec<Value> = (0..USERS).map(|n| reward_pieces(&format!("u{n}"), "arrow", 2)).collect();
    let uses: Vec<Value> = (0..USERS).map(|n| use_item(&format!("u{n}"), "vault", 1)).collect();
    submit_all(&satchel, &rewards).await;
    let rejected = submit_all(&satchel, &uses).await;
    invariants::check(&satchel).await;
    let all = |by: &str| BTreeMap::from(["heads", "records"].map(|what| (format!("{by} {what}"), USERS)));
    assert_eq!(signed_by(&satchel), all("old"));

    // One that signs by the new key takes over; meanwhile both sign.
    satchel.start_worker_with(&NEW_TRUSTS_OLD);
    satchel.settled(2).await;
    satchel.stop_worker(Signal::SIGTERM);
    let is_done = AtomicBool::new(false);
    let load = async {
        let mut rounds = 0;
        while !is_done.load(Ordering::Relaxed) || rounds < 3 {
            let jobs: Vec<Value> = (0..50).map(|n| reward_pieces(&format!("u{}", n * 20), "arrow", 1)).collect();
            submit_all(&satchel, &jobs).await;
            rounds += 1;
        }
    };
    let signing = async {
        let url = satchel.database.schema_owner.url();
        let rekeyed = tokio::task::spawn_blocking(move || rekey(&url, &NEW_TRUSTS_OLD)).await;
        let (is_good, printed, said) = rekeyed.unwrap();
        is_done.store(true, Ordering::Relaxed);
        assert!(is_good && printed.contains("can be taken away"), "{printed} {said}");
        assert!(said.contains(&format!("{USERS} heads and {USERS} records read")), "{said}");
    };
    tokio::join!(load, signing);
    invariants::check(&satchel).await;
    assert_eq!(signed_by(&satchel), all("new"));
    let (is_good, printed, said) = rekey(&satchel.database.schema_owner.url(), &NEW_ALONE);
    assert!(is_good && said.contains(" 0 of them signed anew, 0 not trusted"), "{printed} {said}");

    satchel.stop_worker(Signal::SIGTERM);
    satchel.start_worker_with(&NEW_ALONE);
    satchel.game().submit_and_wait(&reward_pieces("u1", "arrow", 1)).await.expect(200);
    satchel.stop_worker(Signal::SIGTERM);

    // Without the new key nothing is decided for these users.
    satchel.start_worker_with(&OLD_ALONE);
    let parked = satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202).job_id();
    satchel.status_becomes(&parked, "parked").await;
    satchel.stop_worker(Signal::SIGTERM);
    satchel.start_worker_with(&NEW_ALONE);
    satchel.retry(&parked).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(satchel.holdings("u1").await, [("arrow".to_owned(), 4)]);
    tampered_ones_are_not_trusted(&satchel, &rejected[7]).await;
    invariants::check(&satchel).await;
}

async fn tampered_ones_are_not_trusted(satchel: &Satchel, rejected: &str) {
    let (owner, owner_url) = (&satchel.database.owner, satchel.database.schema_owner.url());
    let user = "(shard, uid) = (SELECT shard, uid FROM user_names WHERE user_id = 'u5')";
    let replace = |from: &str, to: &str| {
        owner.run(&format!(
            "ALTER TABLE records DISABLE TRIGGER unchanged;
             UPDATE records SET body = replace(body, '{from}', '{to}') WHERE job_id = '{rejected}';
             ALTER TABLE records ENABLE ALWAYS TRIGGER unchanged;"
        ));
    };
    replace("vault", "valet");
    owner.run(&format!("UPDATE users SET version = version + 1 WHERE {user}"));
    let parked = satchel.game().submit(&reward_pieces("u5", "arrow", 1)).await.expect(202).job_id();
    satchel.status_becomes(&parked, "parked").await;
    let (is_good, printed, said) = rekey(&owner_url, &NEW_ALONE);
    assert!(!is_good && said.contains("2 are not as"), "{said}");
    let listed: Vec<&str> = printed.lines().collect();
    let record = format!("the record of job {rejected}: it does not fit its signature");
    assert_eq!(listed, ["the head of user u5: it does not fit its signature", record.as_str()]);
    replace("valet", "vault");
    owner.run(&format!("UPDATE users SET version = version - 1 WHERE {user}"));
    satchel.retry(&parked).await.expect(202);
    // The key before the last one is a stranger's.
    let (is_good, printed, _) = rekey(&owner_url, &OLD_ALONE);
    assert!(!is_good && printed.lines().count() == 1_000 && printed.contains("signed by another key"), "{printed}");
}

/// A record without changes may be signed anew, and nothing else of it, and of no other record anything, may change.
#[tokio::test]
async fn of_a_record_only_the_seal_may_change_and_only_where_nothing_was_changed() {
    let satchel = Satchel::start().await;
    let jobs = json!([reward_pieces("u1", "arrow", 1), use_item("u1", "vault", 1)]);
    let ids = satchel.game().submit(&jobs).await.expect(202).job_ids();
    invariants::check(&satchel).await;
    let owner = &satchel.database.owner;
    for (id, change) in [
        (&ids[0], "seal = sha256('x')"),
        (&ids[1], "seal = NULL"),
        (&ids[1], "body = body || ' '"),
        (&ids[1], "at = at + interval '1 microsecond'"),
        (&ids[1], "is_rejected = NOT is_rejected"),
        (&ids[1], "seq = seq + 1"),
        (&ids[1], "uid = uid + 1"),
        (&ids[1], "job_id = gen_random_uuid(), seal = substr(sha256('x'), 1, 20)"),
    ] {
        let refusal = owner.try_run(&format!("UPDATE records SET {change} WHERE job_id = '{id}'")).expect_err(change).0;
        assert!(refusal.contains("append-only"), "{change}: {refusal}");
    }
    owner.run(&format!("UPDATE records SET seal = substr(sha256('x'), 1, 20) WHERE job_id = '{}'", ids[1]));
}
