//! The ledger keeps what it has: by privileges for the application, by triggers for everyone.

use satchel_testkit::Satchel;
use satchel_testkit::job::{reward, reward_pieces};
use satchel_tests::invariants;
use serde_json::json;

async fn satchel_with_entries() -> Satchel {
    let satchel = Satchel::start().await;
    satchel.game().submit(&reward("u1", json!(["key"]))).await.expect(202);
    satchel.game().submit_and_wait(&reward_pieces("u1", "gold", 5)).await.expect(200);
    satchel
}

#[tokio::test]
async fn the_programs_can_neither_update_nor_delete_nor_truncate_it() {
    let satchel = satchel_with_entries().await;
    let (api, worker) = (&satchel.database.api, &satchel.database.worker);
    assert_eq!(api.number("SELECT count(*) FROM records"), 2);
    for sql in [
        "UPDATE records SET body = '{}' WHERE count = 1",
        "UPDATE records SET seal = NULL WHERE false",
        "DELETE FROM records",
        "DELETE FROM records WHERE false",
        "TRUNCATE records",
        "INSERT INTO records SELECT * FROM records
         ON CONFLICT (job_id, shard) WHERE job_id IS NOT NULL DO UPDATE SET body = '{}'",
        "WITH gone AS (DELETE FROM records RETURNING *) SELECT * FROM gone",
    ] {
        for login in [api, worker] {
            let refusal = login.try_run(sql).expect_err(sql).0;
            assert!(refusal.contains("permission denied"), "{sql}: {refusal}");
        }
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_owner_is_refused_by_triggers() {
    let satchel = satchel_with_entries().await;
    let owner = &satchel.database.owner;
    for sql in [
        "UPDATE records SET body = '{}' WHERE body LIKE '%gold%'",
        "UPDATE records SET seal = sha256('x')",
        "DELETE FROM records",
        "TRUNCATE records",
        "TRUNCATE records, users, holdings CASCADE",
        "SET session_replication_role = replica; DELETE FROM records",
    ] {
        let refusal = owner.try_run(sql).expect_err(sql).0;
        assert!(refusal.contains("append-only"), "{sql}: {refusal}");
    }
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_programs_cannot_change_the_schema_or_their_own_rights() {
    let satchel = satchel_with_entries().await;
    for sql in [
        "ALTER TABLE records DISABLE TRIGGER ALL",
        "ALTER TABLE records DISABLE TRIGGER append_only",
        "ALTER TABLE records OWNER TO CURRENT_USER",
        "ALTER TABLE holdings DROP CONSTRAINT holdings_quantity_check",
        "DROP TRIGGER append_only ON records",
        "DROP FUNCTION refuse_change() CASCADE",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER mine BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "CREATE RULE mine AS ON INSERT TO records DO INSTEAD NOTHING",
        "DROP TABLE records",
        "DROP SCHEMA public CASCADE",
        "CREATE TABLE mine (id int)",
        "GRANT ALL ON records TO CURRENT_USER; UPDATE records SET body = '{}'",
        "SET session_replication_role = replica",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "DELETE FROM records",
        "UPDATE records SET is_rejected = true",
        "DELETE FROM users",
        "DELETE FROM user_names",
        "DELETE FROM holdings",
        "INSERT INTO api_keys (prefix, secret_hash, name, role, subject, scopes) \
         VALUES ('x', sha256('x'), 'x', 'operator', 'x', '')",
        "UPDATE api_keys SET revoked_at = NULL",
    ] {
        for login in [&satchel.database.api, &satchel.database.worker] {
            assert!(login.try_run(sql).is_err(), "{sql} as {}", login.user);
        }
    }
    assert_eq!(satchel.database.owner.number("SELECT delta FROM ledger WHERE item_id = 'gold'"), 5);
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn a_negative_quantity_cannot_be_stored() {
    let satchel = satchel_with_entries().await;
    let refusal = satchel.database.owner.try_run("UPDATE holdings SET quantity = -1").expect_err("a negative").0;
    assert!(refusal.contains("check constraint"), "{refusal}");
    invariants::check(&satchel).await;
}

#[tokio::test]
async fn the_shared_check_sees_every_kind_of_tampering() {
    for (tampering, seen) in [
        ("UPDATE holdings SET quantity = quantity + 1 WHERE item_id = 'gold'", "C: "),
        ("DELETE FROM holdings WHERE item_id = 'gold'", "C: "),
        ("UPDATE users SET version = version + 1", "E: "),
        ("UPDATE records SET body = replace(body, 'service:', 'operator:') WHERE seq = 1", "E: "),
        ("UPDATE records SET body = replace(body, '5,5', '6,6') WHERE seq = 2", "E: "),
        ("UPDATE records SET at = at + interval '1 second' WHERE seq = 2", "E: "),
        ("DELETE FROM records WHERE seq = 2", "E: "),
        ("UPDATE records SET is_rejected = true", "B: "),
    ] {
        let satchel = satchel_with_entries().await;
        let owner = &satchel.database.owner;
        let _ = owner.run(&format!("ALTER TABLE records DISABLE TRIGGER USER; {tampering}"));
        let violations = invariants::violations(&satchel);
        assert!(violations.iter().any(|violation| violation.starts_with(seen)), "{tampering}: {violations:?}");
    }
}

#[tokio::test]
async fn what_somebody_changed_by_hand_is_read_anew_and_told_by_the_check() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    game.submit_and_wait(&reward_pieces("u1", "gold", 5)).await.expect(200);
    // The worker remembers 5.
    let _ = satchel.database.owner.run("UPDATE holdings SET quantity = 7 WHERE item_id = 'gold'");
    let outcome = game.submit_and_wait(&reward_pieces("u1", "gold", 1)).await.expect(200).json();
    assert_eq!(outcome["result"]["granted"][0]["balance"], 8, "{outcome}");
    let outcome = game.submit_and_wait(&reward_pieces("u1", "gold", 1)).await.expect(200).json();
    assert_eq!(
        (&outcome["result"]["granted"][0]["balance"], &outcome["attempts"]),
        (&json!(9), &json!(1)),
        "{outcome}"
    );
    let violations = invariants::violations(&satchel);
    assert!(
        !violations.is_empty() && violations.iter().all(|violation| violation.starts_with("C: ")),
        "{violations:?}"
    );
}
