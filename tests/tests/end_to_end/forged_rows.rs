//! Rows that somebody with a program's login, and nothing else, puts among the jobs that wait in Postgres: with the API's into
//! the journal, with a worker's among those that are parked.

use chrono::Utc;
use nix::sys::signal::Signal;
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::ids::{JobId, RequestId, ShardCount, UserId};
use satchel_model::operations::Envelope;
use satchel_model::operations::Submission;
use satchel_testkit::job::{reward_pieces, use_item};
use satchel_testkit::players::strangers;
use satchel_testkit::poison::{self, poisonous};
use satchel_testkit::streams::{seal, seal_by};
use satchel_testkit::{ENVELOPE_KEY, Satchel, Setup, wait};
use satchel_tests::invariants;
use satchel_wire::Fresh;
use satchel_wire::envelope::SealedEnvelope;
use serde_json::json;

const OTHER_KEY: &str = "some other key that is long enough!!";

/// A job for gold of a service that nobody let do that.
fn gold_for(user: &str) -> Envelope {
    let job = reward_pieces(user, "gold", 1_000_000).to_string();
    Envelope {
        job_id: JobId::from(uuid::Uuid::now_v7()),
        job: Submission::parse(Node::parse(job.as_bytes()).unwrap(), Pointer::root()).unwrap().job,
        actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
        request_id: RequestId::random(),
        submitted_at: Utc::now(),
        reply_to: None,
        journaled: true,
    }
}

fn shard_of(user: &str) -> u16 {
    ShardCount::new(ShardCount::DEFAULT).unwrap().of_user(&UserId::parse(user).unwrap()).get()
}

/// What the columns say that journal and parked jobs have in common.
struct Row<'r> {
    job_id: String,
    user: &'r str,
    shard: u16,
    sealed: SealedEnvelope,
}

impl<'r> Row<'r> {
    /// As somebody writes it who knows everything but the key.
    fn forged(envelope: &Envelope, user: &'r str) -> Self {
        Self { job_id: envelope.job_id.to_string(), user, shard: shard_of(user), sealed: seal_by(OTHER_KEY, envelope) }
    }

    /// As somebody writes it who copies what was signed.
    fn copied(satchel: &Satchel, envelope: &Envelope, user: &'r str) -> Self {
        Self { job_id: envelope.job_id.to_string(), user, shard: shard_of(user), sealed: seal(satchel, envelope) }
    }

    const COLUMNS: &'static str =
        "job_id, user_id, shard, envelope_version, body, mac, type, payload_hash, actor, submitted_at";

    fn values(&self) -> String {
        let Self { job_id, user, shard, sealed: SealedEnvelope { version, body, mac } } = self;
        let (body, mac) = (String::from_utf8_lossy(body), hex::encode(mac));
        format!(
            "'{job_id}', '{user}', {shard}, {version}, '{body}', '\\x{mac}', 'reward_inventory_item', \
             sha256('x'), 'service:game', now()"
        )
    }

    /// Adds it to the journal, in front of all others, as accepted so long ago.
    fn journal(&self, satchel: &Satchel, age: &str) {
        let (columns, values) = (Self::COLUMNS, self.values());
        satchel.database.api.run(&format!(
            "INSERT INTO journal ({columns}, seq, accepted_at) VALUES ({values}, 0, now() - interval '{age}')"
        ));
    }

    /// Adds it to the parked jobs, as due now.
    fn park(&self, satchel: &Satchel) {
        let (columns, values) = (Self::COLUMNS, self.values());
        satchel.database.worker.run(&format!(
            "INSERT INTO parked_jobs ({columns}, request_id, state, attempts, tries, next_attempt_at)
             VALUES ({values}, 'r', 'retrying', 1, 1, now())"
        ));
    }
}

/// Puts a row of a true job back with more pieces in it. Of parked jobs, a worker may; for the journal, which one program
/// fills and the other one empties, it takes both logins.
fn raise_quantity(satchel: &Satchel, table: &str, job_id: &str) {
    let login = if table == "journal" { &satchel.database.owner } else { &satchel.database.worker };
    login.run(&format!(
        "WITH gone AS (DELETE FROM {table} WHERE job_id = '{job_id}' RETURNING *)
         INSERT INTO {table} OVERRIDING SYSTEM VALUE
         SELECT (json_populate_record(
             NULL::{table}, regexp_replace(row_to_json(gone)::text, '(quantity\\\\*\":)2', '\\19')::json
         )).*
         FROM gone"
    ));
    let body = satchel.database.owner.run(&format!("SELECT body FROM {table} WHERE job_id = '{job_id}'"));
    assert!(body.contains("\"quantity\":9"), "{body}");
}

async fn all_quarantined(satchel: &Satchel, rows: i64) {
    let quarantined = "SELECT count(*) FROM quarantined_entries";
    wait::until_true("every forged row is put away", || satchel.database.owner.number(quarantined) >= rows).await;
    assert_eq!(satchel.database.owner.number(quarantined), rows);
    let said = satchel.worker_output();
    // Feeder and lane may meet the same row at once.
    let lines = said.matches("a job that waited in Postgres was quarantined").count();
    assert!(i64::try_from(lines).unwrap() >= rows, "{said}");
}

async fn has(satchel: &Satchel, user: &str, arrows: i64) {
    let arrows: &[_] = if arrows > 0 { &[("arrow".to_owned(), arrows)] } else { &[] };
    assert_eq!(satchel.holdings(user).await, arrows);
}

#[tokio::test]
async fn rows_in_the_journal_that_the_api_did_not_sign_are_fed_to_nobody() {
    for setup in [Setup::new(), Setup::new().journaled()] {
        let satchel = setup.brisk().start().await;
        let forged = gold_for("u1");
        Row::forged(&forged, "u1").journal(&satchel, "1 minute");
        let unsigned = Row { job_id: JobId::from(uuid::Uuid::now_v7()).to_string(), ..Row::forged(&forged, "u1") };
        Row { sealed: SealedEnvelope { mac: vec![0; 32], ..unsigned.sealed.clone() }, ..unsigned }
            .journal(&satchel, "1 minute");
        // Signed, but by nobody for this place.
        Row { job_id: JobId::from(uuid::Uuid::now_v7()).to_string(), ..Row::copied(&satchel, &gold_for("u1"), "u1") }
            .journal(&satchel, "1 minute");
        Row::copied(&satchel, &gold_for("u1"), "u2").journal(&satchel, "1 minute");
        let elsewhere = strangers("u1", 1).remove(0);
        Row { shard: shard_of(&elsewhere), ..Row::copied(&satchel, &gold_for("u1"), "u1") }
            .journal(&satchel, "1 minute");
        Row::copied(&satchel, &Envelope { journaled: false, ..gold_for("u1") }, "u1").journal(&satchel, "1 minute");
        satchel.game().submit(&reward_pieces("u1", "arrow", 1)).await.expect(202);
        all_quarantined(&satchel, 6).await;
        invariants::check(&satchel).await;
        has(&satchel, "u1", 1).await;
        has(&satchel, "u2", 0).await;
        let kept = satchel.database.owner.run("SELECT convert_from(body, 'UTF8') FROM quarantined_entries LIMIT 1");
        assert!(kept.contains("1000000") && kept.contains("accepted_at"), "the whole row: {kept}");
    }
}

#[tokio::test]
async fn a_forged_row_in_front_of_true_jobs_holds_nobody_up() {
    let satchel = Setup::new().journaled().brisk().workers(0).start().await;
    let jobs = json!([reward_pieces("u1", "arrow", 2), reward_pieces("u1", "arrow", 3), use_item("u1", "arrow", 1)]);
    let ids = satchel.game().submit(&jobs).await.expect(202).job_ids();
    // Too young for the feeder: the batch itself meets it.
    Row::forged(&gold_for("u1"), "u1").journal(&satchel, "-1 minute");
    satchel.start_worker();
    all_quarantined(&satchel, 1).await;
    invariants::check(&satchel).await;
    has(&satchel, "u1", 4).await;

    // The same where Redis has forgotten everything, and one of the true rows was changed.
    satchel.stop_worker(Signal::SIGTERM);
    let later = satchel.game().submit(&jobs).await.expect(202).job_ids();
    satchel.redis.commands.run(&["FLUSHALL"]);
    raise_quantity(&satchel, "journal", &later[0]);
    satchel.journal.lose(&later[0]);
    satchel.database.owner.run("UPDATE journal SET accepted_at = now() - interval '1 minute'");
    satchel.start_worker();
    satchel.finished(&later[2]).await;
    all_quarantined_in_all(&satchel, 2).await;
    invariants::check(&satchel).await;
    has(&satchel, "u1", 4 + 3 - 1).await;
    assert_ne!(ids, later);
}

async fn all_quarantined_in_all(satchel: &Satchel, rows: i64) {
    let quarantined = "SELECT count(*) FROM quarantined_entries";
    wait::until_true("every forged row is put away", || satchel.database.owner.number(quarantined) == rows).await;
}

#[tokio::test]
async fn parked_jobs_that_no_worker_signed_are_not_applied_and_true_ones_are_after_a_restart() {
    let satchel = Setup::new().brisk().workers(0).start().await;
    poison::lay(&satchel);
    let chain = |user: &str| {
        json!([poisonous(reward_pieces(user, "arrow", 2)), reward_pieces(user, "arrow", 3), use_item(user, "arrow", 1)])
    };
    let changed = satchel.game().submit(&chain("u1")).await.expect(202).job_ids();
    let good = satchel.game().submit(&chain("u2")).await.expect(202).job_ids();
    satchel.start_worker();
    satchel.status_becomes(&changed[0], "parked").await;
    satchel.status_becomes(&good[0], "parked").await;

    // A forged actor; a user of another shard; and of users who have true jobs there.
    let elsewhere = strangers("u1", 1).remove(0);
    Row::forged(&gold_for("u3"), "u3").park(&satchel);
    Row { shard: shard_of("u1"), ..Row::copied(&satchel, &gold_for(&elsewhere), &elsewhere) }.park(&satchel);
    Row { job_id: JobId::from(uuid::Uuid::now_v7()).to_string(), ..Row::copied(&satchel, &gold_for("u4"), "u4") }
        .park(&satchel);
    all_quarantined(&satchel, 3).await;

    // The body of a true row.
    raise_quantity(&satchel, "parked_jobs", &changed[0]);
    satchel.journal.lose(&changed[0]);
    poison::clear(&satchel);
    satchel.retry(&changed[0]).await.expect(202);
    all_quarantined(&satchel, 4).await;
    satchel.finished(&changed[2]).await;
    has(&satchel, "u1", 2).await;

    satchel.kill_workers();
    satchel.start_worker();
    satchel.retry(&good[0]).await.expect(202);
    invariants::check(&satchel).await;
    has(&satchel, "u2", 4).await;
    assert_eq!(satchel.outcomes(), "applied 5");
    for user in ["u3", "u4", &elsewhere] {
        has(&satchel, user, 0).await;
    }
}

#[tokio::test]
async fn rows_that_the_key_before_the_current_one_signed_still_count() {
    let satchel = Setup::new().journaled().brisk().workers(0).start().await;
    poison::lay(&satchel);
    let ids = satchel.game().submit(&json!([poisonous(reward_pieces("u1", "arrow", 1))])).await.expect(202).job_ids();
    satchel.start_worker();
    satchel.status_becomes(&ids[0], "parked").await;
    satchel.stop_worker(Signal::SIGTERM);
    satchel.game().submit(&reward_pieces("u2", "arrow", 1)).await.expect(202);
    satchel.redis.commands.run(&["FLUSHALL"]);
    satchel.database.owner.run("UPDATE journal SET accepted_at = now() - interval '1 minute'");
    poison::clear(&satchel);
    satchel.start_worker_with(&[("SATCHEL_ENVELOPE_KEY", OTHER_KEY), ("SATCHEL_ENVELOPE_KEY_PREVIOUS", ENVELOPE_KEY)]);
    satchel.retry(&ids[0]).await.expect(202);
    invariants::check(&satchel).await;
    has(&satchel, "u1", 1).await;
    has(&satchel, "u2", 1).await;
}
