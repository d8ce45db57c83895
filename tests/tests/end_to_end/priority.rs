//! High jobs overtake waiting jobs of other players, and never an earlier one of their own.

use satchel_testkit::job::{high, reward_pieces, use_item};
use satchel_testkit::players::neighbours;
use satchel_testkit::{Satchel, Setup};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// A Satchel whose worker, once it is started, needs many batches for what waits.
async fn start() -> Satchel {
    Setup::new().brisk().workers(0).start().await
}

/// Microseconds at which the first and the last of these jobs were applied.
fn span(satchel: &Satchel, job_ids: &[String]) -> (i64, i64) {
    let list = job_ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
    let edge = |which: &str| {
        let sql = format!("SELECT (extract(epoch FROM {which}(applied_at)) * 1000000)::bigint FROM jobs");
        satchel.database.owner.number(&format!("{sql} WHERE job_id IN ({list})"))
    };
    (edge("min"), edge("max"))
}

/// `rounds` normal jobs of each of these players, in turn.
async fn fill(satchel: &Satchel, users: &[String], rounds: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..rounds {
        let jobs: Vec<Value> = users.iter().map(|user| reward_pieces(user, "arrow", 1)).collect();
        ids.extend(satchel.game().submit(&json!(jobs)).await.expect(202).job_ids());
    }
    ids
}

#[tokio::test]
async fn high_jobs_come_before_the_waiting_jobs_of_other_players() {
    let satchel = start().await;
    let users = neighbours("u1", 13);
    let normal = fill(&satchel, &users[..10], 30).await;
    let mut urgent = Vec::new();
    for user in &users[10..] {
        let jobs = json!([high(reward_pieces(user, "arrow", 3)), high(use_item(user, "arrow", 2))]);
        urgent.extend(satchel.game().submit(&jobs).await.expect(202).job_ids());
    }
    satchel.start_worker();
    invariants::check(&satchel).await;
    let (first_normal, _) = span(&satchel, &normal);
    let (_, last_urgent) = span(&satchel, &urgent);
    assert!(last_urgent <= first_normal, "a high job was applied after a normal one that others wait for");
    assert_eq!(satchel.outcomes(), "applied 306");
}

#[tokio::test]
async fn a_high_job_pulls_the_earlier_jobs_of_its_player_forward_and_stays_behind_them() {
    let satchel = start().await;
    let users = neighbours("u1", 10);
    let before = fill(&satchel, &users, 20).await;
    let own = json!([reward_pieces("u1", "arrow", 1), reward_pieces("u1", "arrow", 2), use_item("u1", "arrow", 3)]);
    let mut own = satchel.game().submit(&own).await.expect(202).job_ids();
    let between = fill(&satchel, &users, 20).await;
    own.push(satchel.game().submit(&high(reward_pieces("u1", "arrow", 4))).await.expect(202).job_id());
    own.push(satchel.game().submit(&use_item("u1", "arrow", 4)).await.expect(202).job_id());
    satchel.start_worker();
    invariants::check(&satchel).await;
    let deltas: Vec<Value> =
        satchel.history("u1", "?order=asc").await.iter().map(|entry| entry["delta"].clone()).collect();
    assert_eq!(deltas, [1, 2, -3, 4, -4]);
    let others = span(&satchel, &[before, between].concat());
    assert!(span(&satchel, &own[..4]).1 <= others.0, "the high job waited for other players' jobs");
    assert!(span(&satchel, &own[4..]).0 >= others.1, "the normal job behind it overtook other players' jobs");
    assert_eq!(satchel.outcomes(), "applied 405");
}

#[tokio::test]
async fn in_a_random_mixture_every_player_keeps_the_exact_order() {
    let satchel = start().await;
    let users = [neighbours("u1", 6), (0..6).map(|player| format!("player-{player}")).collect()].concat();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut expected = vec![Vec::new(); users.len()];
    for part in 0..30 {
        let mut jobs = Vec::new();
        for _ in 0..40 {
            let player = random.below(users.len());
            // Each of a player's jobs gives another number, so that the ledger shows their order.
            let number = expected[player].len() + 1;
            expected[player].push(json!(number));
            let job = reward_pieces(&users[player], "arrow", i64::try_from(number).unwrap());
            jobs.push(if random.below(3) == 0 { high(job) } else { job });
        }
        satchel.game().submit(&json!(jobs)).await.expect(202);
        if part == 10 {
            satchel.start_worker();
        }
    }
    invariants::check(&satchel).await;
    for (user, expected) in users.iter().zip(expected) {
        let sql = format!("SELECT delta FROM ledger WHERE user_id = '{user}' ORDER BY seq");
        let deltas: Vec<Value> =
            satchel.database.owner.rows(&sql).into_iter().map(|row| row["delta"].clone()).collect();
        assert_eq!(deltas, expected, "{user}");
    }
}

#[tokio::test]
async fn a_priority_belongs_to_the_job_and_is_one_of_two() {
    let satchel = Satchel::start().await;
    let game = satchel.game();
    let job = reward_pieces("u1", "arrow", 1);
    let id = game.submit_under("k", &high(job.clone())).await.expect(202).job_id();
    assert_eq!(game.submit_under("k", &high(job.clone())).await.job_id(), id);
    game.submit_under("k", &job).await.problem(422);
    // `normal` is what a job is that says nothing.
    let mut said = job.clone();
    said["priority"] = json!("normal");
    let id = game.submit_under("n", &said).await.expect(202).job_id();
    assert_eq!(game.submit_under("n", &job).await.job_id(), id);
    for wrong in [json!("urgent"), json!("High"), json!(1), json!(true)] {
        let mut job = job.clone();
        job["priority"] = wrong;
        assert_eq!(game.submit(&job).await.pointers(), ["/priority"]);
    }
    invariants::check(&satchel).await;
}

/// Numbers that are the same in every run: xorshift64 (Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        usize::try_from(self.0 % u64::try_from(end).unwrap()).unwrap()
    }
}
