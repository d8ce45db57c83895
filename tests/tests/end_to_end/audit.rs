//! `satchel audit` sees every kind of tampering, and nothing where there was none.

use std::process::{Command, Stdio};

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use satchel_testkit::job::{not_before, reward, reward_pieces, test_catalogue, use_item};
use satchel_testkit::{LEDGER_KEY, Satchel, binary};
use satchel_tests::invariants;
use serde_json::json;

const OTHER_KEY: &str = "another-ledger-key-another-ledger-key";

/// `satchel audit`: whether it succeeded, what it printed, and what it said beside that.
fn audit(satchel: &Satchel, key: Option<&str>) -> (bool, String, String) {
    let output = Command::new(binary("satchel"))
        .arg("audit")
        .env_clear()
        .env("DATABASE_URL", satchel.database.api.url())
        .envs(key.map(|key| ("SATCHEL_LEDGER_KEY", key)))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// A player with changes of every kind, a rejected and a withdrawn job.
async fn satchel_with_records() -> Satchel {
    let satchel = Satchel::start().await;
    let mut catalogue = test_catalogue();
    catalogue["events"] = json!({"planet/completed": {}});
    catalogue["rules"] = json!([
        {"id": "planet", "on": "planet/completed", "oncePer": "/planetId", "grant": [{"itemId": "gold", "quantity": 1}]}
    ]);
    satchel.publish(&catalogue).await;
    let game = satchel.game();
    let jobs = json!([
        reward("u1", json!(["key"])),
        reward_pieces("u1", "gold", 5),
        reward_pieces("u1", "arrow", 2),
        use_item("u1", "arrow", 2),
        use_item("u1", "vault", 1),
        reward_pieces("u2", "gold", 7),
    ]);
    game.submit(&jobs).await.expect(202);
    let event = json!({"id": "e1", "name": "planet/completed", "userId": "u1", "data": {"planetId": "mars"}});
    game.tell_and_wait(&event).await.expect(200);
    let later = not_before(reward_pieces("u1", "arrow", 1), Utc::now() + TimeDelta::days(1));
    let later = game.submit(&later).await.expect(202).job_id();
    game.send(game.request(Method::DELETE, &format!("/api/v1/jobs/{later}"))).await.expect(200);
    invariants::check(&satchel).await;
    satchel
}

const TABLES: [&str; 6] = ["user_names", "users", "holdings", "rule_grants", "records", "withdrawals"];

/// Puts all rows back as they were when [`keep`] was called.
fn restore(satchel: &Satchel) {
    for table in TABLES {
        satchel.database.owner.run(&format!(
            "DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept_{table}"
        ));
    }
}

/// Keeps all rows, and has no trigger keep them as they are.
fn keep(satchel: &Satchel) {
    for table in TABLES {
        let kept = format!("CREATE TABLE kept_{table} AS TABLE {table}; ALTER TABLE {table} DISABLE TRIGGER USER");
        satchel.database.owner.run(&kept);
    }
}

const U1: &str = "uid = (SELECT uid FROM user_names WHERE user_id = 'u1')";
const REJECTED: &str = "count = 0 AND seal IS NOT NULL";

/// What is done, what is found, and whether it takes the key.
const TAMPERING: &[(&str, &str, bool)] = &[
    (
        "UPDATE holdings SET quantity = quantity + 1 WHERE U1 AND item_id = 'gold'",
        "user u1: 7 of gold held, but the ledger sums to 6",
        false,
    ),
    (
        "DELETE FROM holdings WHERE U1 AND item_id = 'gold'",
        "user u1: no row of gold is held, but the ledger sums to 6",
        false,
    ),
    (
        "DELETE FROM holdings WHERE U1 AND item_id = 'arrow'",
        "user u1: no row of arrow is held, but the ledger sums to 0",
        false,
    ),
    (
        "UPDATE holdings SET item_id = 'gem' WHERE U1 AND item_id = 'key'",
        "user u1: 1 of gem held, but the ledger sums to 0",
        false,
    ),
    ("UPDATE users SET version = version + 1 WHERE U1", "user u1: the head is not the end of the ledger", false),
    ("UPDATE users SET hash = sha256('x') WHERE U1", "user u1: the head is not the end of the ledger", false),
    ("DELETE FROM users WHERE U1", "user u1: the ledger has no head", false),
    (
        "UPDATE users SET decided_at = decided_at + interval '1 hour' WHERE U1",
        "user u1: the head's decision time",
        false,
    ),
    ("UPDATE users SET decided_at = NULL WHERE U1", "user u1: the head's decision time", false),
    (
        "UPDATE users SET decided_at = decided_at - interval '1 hour' WHERE U1",
        "user u1: the head cannot be trusted: it does not fit",
        true,
    ),
    ("UPDATE users SET mac = NULL WHERE U1", "user u1: the head cannot be trusted: it is not signed", true),
    (
        "UPDATE users SET mac = substr(sha256('x'), 1, 20) WHERE U1",
        "user u1: the head cannot be trusted: it is signed by another key",
        true,
    ),
    ("UPDATE users SET is_blocked = true WHERE U1", "user u1: parked jobs do not hold together", false),
    (
        "INSERT INTO users (shard, uid, mac) VALUES (0, 777, substr(sha256('x'), 1, 20))",
        "user #777: the head tells of records",
        false,
    ),
    (
        "UPDATE records SET body = replace(body, 'service:', 'operator:') WHERE U1 AND seq = 1",
        "user u1: the record of change 1 does not fit its hash",
        false,
    ),
    (
        "UPDATE records SET body = replace(body, '5,5', '6,6') WHERE U1 AND seq = 2",
        "user u1: the record of change 2 does not fit its hash",
        false,
    ),
    (
        "UPDATE records SET at = at + interval '1 second' WHERE U1 AND seq = 2",
        "user u1: the record of change 2 does not fit its hash",
        false,
    ),
    (
        "UPDATE records SET is_rejected = true WHERE U1 AND seq = 2",
        "user u1: the record of change 2 does not fit its hash",
        false,
    ),
    (
        "UPDATE records SET job_id = gen_random_uuid() WHERE U1 AND seq = 2",
        "user u1: the record of change 2 does not fit its hash",
        false,
    ),
    (
        "UPDATE records SET seal = sha256('x') WHERE U1 AND seq = 2",
        "user u1: the record of change 2 does not fit its hash",
        false,
    ),
    (
        "DELETE FROM records WHERE U1 AND seq = 2 AND count > 0",
        "user u1: change 3 stands where change 2 should be",
        false,
    ),
    (
        "DELETE FROM records WHERE U1 AND count > 0 AND seq = (SELECT max(seq) FROM records WHERE U1 AND count > 0)",
        "user u1: the head is not the end of the ledger",
        false,
    ),
    (
        "UPDATE records SET uid = 777 WHERE U1 AND count > 0",
        "user #777: the record of change 1 does not fit its hash",
        false,
    ),
    (
        "DELETE FROM user_names WHERE user_id = 'u1'; UPDATE users SET version = 99 WHERE uid <> (SELECT uid FROM user_names WHERE user_id = 'u2')",
        "user #",
        false,
    ),
    ("DELETE FROM rule_grants", "user u1: the 0 values for which rules have given are not the 1 of the ledger", false),
    (
        "UPDATE rule_grants SET value = '\"venus\"'",
        "user u1: the 1 values for which rules have given are not the 1 of the ledger",
        false,
    ),
    (
        "INSERT INTO rule_grants SELECT uid, shard, 'planet', '1' FROM user_names WHERE user_id = 'u2'",
        "user u2: the 1 values for which rules have given are not the 0 of the ledger",
        false,
    ),
    ("UPDATE records SET body = replace(body, 'vault', 'valet') WHERE REJECTED", "it does not fit its signature", true),
    ("UPDATE records SET at = at - interval '1 day' WHERE REJECTED", "it does not fit its signature", true),
    (
        "UPDATE records SET seal = NULL WHERE REJECTED",
        "it has no seal, and no archive and no withdrawal tells of it",
        false,
    ),
    ("DELETE FROM withdrawals", "it has no seal, and no archive and no withdrawal tells of it", false),
];

#[tokio::test]
async fn every_kind_of_tampering_is_found_and_nothing_else() {
    let satchel = satchel_with_records().await;
    let (is_clean, printed, said) = audit(&satchel, Some(LEDGER_KEY));
    assert!(is_clean && printed.starts_with("8 records with 7 changes: ") && said.is_empty(), "{printed} {said}");
    keep(&satchel);
    for (tampering, finding, needs_key) in TAMPERING.iter().copied() {
        let owner = &satchel.database.owner;
        owner.run(&tampering.replace("U1", U1).replace("REJECTED", REJECTED));
        let (is_clean, printed, said) = audit(&satchel, Some(LEDGER_KEY));
        assert!(!is_clean && printed.contains(finding), "{tampering}: {printed} {said}");
        let (is_clean, printed, said) = audit(&satchel, None);
        assert_eq!(is_clean, needs_key, "{tampering}: {printed} {said}");
        assert!(said.contains("signatures were not checked"), "{said}");
        restore(&satchel);
    }
    let (is_clean, printed, said) = audit(&satchel, Some(LEDGER_KEY));
    assert!(is_clean, "{printed} {said}");
    // Three heads and a record, by a key that signed none of them.
    let (_, printed, said) = audit(&satchel, Some(OTHER_KEY));
    assert_eq!(printed.matches("it is signed by another key").count(), 3, "{printed} {said}");
}
