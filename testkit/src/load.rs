//! Players at work, for faults to happen in the middle of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::job::{reward_pieces, use_item};
use crate::players::one_per_shard;
use crate::{Caller, Satchel, wait};

/// Players that submit side by side.
pub const PLAYERS: usize = 10;

/// How long a player of an endless load rests between two rounds, in milliseconds: a load, not a flood.
const REST_MS: u64 = 75;
/// How often the load over all shards submits, in milliseconds.
const SUBMIT_EVERY_MS: u64 = 250;

/// Has each of [`PLAYERS`] players rewarded an arrow and use it in turn, `rounds` times. What is refused or
/// breaks off is tried again under its key. Any rejection would mean lost, doubled or swapped jobs.
pub fn start(satchel: &Satchel, rounds: usize) -> JoinSet<()> {
    let mut players = JoinSet::new();
    for player in 0..PLAYERS {
        let game = satchel.game();
        players.spawn(async move {
            let user = format!("player-{player}");
            for number in 0..rounds {
                round(&game, &user, number).await;
            }
        });
    }
    players
}

/// One reward and its use, each tried again under its key until it is accepted.
async fn round(game: &Caller, user: &str, number: usize) {
    let key = format!("{user}/{number}");
    game.submit_until_accepted(&format!("{key}/reward"), &reward_pieces(user, "arrow", 1)).await;
    game.submit_until_accepted(&format!("{key}/use"), &use_item(user, "arrow", 1)).await;
}

/// A load that goes on until it is told to stop.
pub struct Endless {
    stop: Arc<AtomicBool>,
    players: JoinSet<()>,
}

impl Endless {
    /// As [`start`], with a little rest after each round.
    pub fn start(satchel: &Satchel) -> Self {
        let mut load = Self { stop: Arc::default(), players: JoinSet::new() };
        for player in 0..PLAYERS {
            let (game, stop) = (satchel.game(), Arc::clone(&load.stop));
            load.players.spawn(async move {
                let user = format!("player-{player}");
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    round(&game, &user, number).await;
                    number += 1;
                    tokio::time::sleep(Duration::from_millis(REST_MS)).await;
                }
            });
        }
        load
    }

    /// Rewards one player of each shard, again and again.
    pub fn over_all_shards(satchel: &Satchel) -> Self {
        let mut load = Self { stop: Arc::default(), players: JoinSet::new() };
        let (game, stop) = (satchel.game(), Arc::clone(&load.stop));
        load.players.spawn(async move {
            let jobs: Vec<Value> = one_per_shard().iter().map(|user| reward_pieces(user, "arrow", 1)).collect();
            let mut every = tokio::time::interval(Duration::from_millis(SUBMIT_EVERY_MS));
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while !stop.load(Ordering::Relaxed) {
                every.tick().await;
                game.submit(&json!(jobs)).await.expect(202);
            }
        });
        load
    }

    /// Lets the players finish what they are doing, and waits for it.
    pub async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.players.join_all().await;
    }
}

/// Waits until `count` more jobs are accepted than now.
pub async fn more_accepted(satchel: &Satchel, count: usize) {
    accepted(satchel, satchel.journal.acceptances() + count).await;
}

/// Waits until `count` jobs are accepted.
pub async fn accepted(satchel: &Satchel, count: usize) {
    wait::until_true(&format!("{count} jobs are accepted"), || satchel.journal.acceptances() >= count).await;
}

/// Waits until `count` jobs are finished, as far as Postgres answers.
pub async fn finished(satchel: &Satchel, count: usize) {
    wait::until_true(&format!("{count} jobs are finished"), || {
        let answer = satchel.database.owner.try_run("SELECT count(*) FROM jobs");
        answer.is_ok_and(|text| text.parse::<usize>().is_ok_and(|finished| finished >= count))
    })
    .await;
}

/// Checks that every job was applied, none rejected: of a load that would mean lost, doubled or swapped jobs.
pub fn assert_none_rejected(satchel: &Satchel) {
    assert_eq!(satchel.outcomes(), format!("applied {}", satchel.journal.accepted().len()));
}

/// Checks that of `rounds` rounds of all players every job was applied, none rejected.
pub fn assert_all_applied(satchel: &Satchel, rounds: usize) {
    let count = |status| satchel.database.owner.run(&format!("SELECT count(*) FROM jobs WHERE status {status}"));
    assert_eq!(count("= 'applied'"), (2 * rounds * PLAYERS).to_string());
    assert_eq!(count("<> 'applied'"), "0");
}
