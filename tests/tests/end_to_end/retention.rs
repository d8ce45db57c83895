//! How long decided and parked jobs are kept.

use nix::sys::signal::Signal;
use reqwest::Method;
use satchel_testkit::job::{reward_pieces, use_item};
use satchel_testkit::poison::{self, poisonous};
use satchel_testkit::{Satchel, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

#[tokio::test]
async fn decided_jobs_are_cleaned_away_after_ninety_days_and_not_before() {
    let satchel = Satchel::start().await;
    let applied = satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202).job_id();
    let jobs: Vec<Value> = (1..=3).map(|number| use_item("u2", "arrow", number)).collect();
    let mut ids = satchel.game().submit(&json!(jobs)).await.expect(202).job_ids();
    let mut keyed = use_item("u2", "arrow", 1);
    keyed["idempotencyKey"] = json!("k");
    ids.push(satchel.game().submit(&keyed).await.expect(202).job_id());
    invariants::check(&satchel).await;
    for (id, days) in [(&ids[0], 91), (&ids[1], 89), (&ids[3], 400), (&applied, 400)] {
        // What is written stays, but for the owner of the schema.
        satchel.database.owner.run(&format!(
            "ALTER TABLE records DISABLE TRIGGER unchanged;
             UPDATE records SET at = now() - interval '{days} days' WHERE job_id = '{id}' AND count = 0;
             ALTER TABLE records ENABLE ALWAYS TRIGGER unchanged"
        ));
    }
    let cleaned = satchel.operate(Method::POST, "clean", None).await.expect(200).json();
    assert_eq!((&cleaned["removed"], &cleaned["archived"]), (&json!(2), &json!(0)), "{cleaned}");
    for gone in [&ids[0], &ids[3]] {
        satchel.operator().get(&format!("/api/v1/jobs/{gone}")).await.problem(404);
        satchel.journal.retire(gone);
    }
    for (kept, status) in [(&ids[1], "rejected"), (&ids[2], "rejected"), (&applied, "applied")] {
        assert_eq!(satchel.job(kept).await["status"], status);
    }
    let again = satchel.operate(Method::POST, "clean", Some(&json!({}))).await.expect(200).json();
    assert_eq!(again["removed"], 0, "{again}");
    assert_eq!(satchel.history("u1", "").await.len(), 1, "what changes something stays");
    invariants::check(&satchel).await;
    let refused = satchel.database.worker.try_run("DELETE FROM records").unwrap_err().0;
    assert!(refused.contains("permission denied"), "{refused}");
}

#[tokio::test]
async fn jobs_that_stay_parked_for_a_week_are_archived_and_their_players_go_on() {
    let satchel = Setup::new().brisk().workers(0).start().await;
    poison::lay(&satchel);
    let mut ids = Vec::new();
    for user in ["u1", "u2", "u3"] {
        let jobs = json!([poisonous(reward_pieces(user, "arrow", 1)), reward_pieces(user, "arrow", 2)]);
        ids.push(satchel.game().submit(&jobs).await.expect(202).job_ids());
    }
    satchel.start_worker();
    for [poison, _] in ids.iter().map(|ids| [&ids[0], &ids[1]]) {
        satchel.status_becomes(poison, "parked").await;
    }
    let backdate = |id: &str, days: u32| {
        let sql = "UPDATE parked_jobs SET parked_at = now() - interval";
        satchel.database.owner.run(&format!("{sql} '{days} days' WHERE job_id = '{id}'"));
    };
    backdate(&ids[0][0], 8);
    backdate(&ids[1][0], 6);
    let cleaned = satchel.operate(Method::POST, "clean", None).await.expect(200).json();
    assert_eq!((&cleaned["removed"], &cleaned["archived"]), (&json!(0), &json!(1)), "{cleaned}");
    let job = satchel.finished(&ids[0][0]).await;
    assert_eq!((&job["status"], &job["result"]["code"]), (&json!("rejected"), &json!("expired")), "{job}");

    // Workers see to it by themselves, too.
    backdate(&ids[2][0], 8);
    satchel.stop_worker(Signal::SIGTERM);
    satchel.start_worker();
    let job = satchel.status_becomes(&ids[2][0], "rejected").await;
    assert_eq!(job["result"]["code"], "expired", "{job}");
    invariants::check_with_parked(&satchel, &[&[&ids[1][0], &ids[1][1]]]).await;
    let archived =
        satchel.database.owner.rows("SELECT user_id, reason, archived_by FROM archived_jobs ORDER BY archived_at");
    let expected = |user: &str, by: &str| json!({"user_id": user, "reason": "expired", "archived_by": by});
    assert_eq!(archived, [expected("u1", "operator:ops"), expected("u3", "system")]);
    assert_eq!(satchel.holdings("u3").await, [("arrow".to_owned(), 2)]);

    poison::clear(&satchel);
    satchel.retry(&ids[1][0]).await.expect(202);
    invariants::check(&satchel).await;
    assert_eq!(satchel.outcomes(), "applied 4, rejected 2");
}
