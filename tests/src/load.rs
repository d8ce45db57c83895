//! Players at work, for faults to happen in the middle of it.

use tokio::task::JoinSet;

use crate::job::{reward_pieces, use_item};
use crate::{Satchel, wait};

/// Players that submit side by side.
pub const PLAYERS: usize = 10;

/// Has each of [`PLAYERS`] players rewarded an arrow and use it in turn, `rounds` times. What is refused or
/// breaks off is tried again under its key. Any rejection would mean lost, doubled or swapped jobs.
pub fn start(satchel: &Satchel, rounds: usize) -> JoinSet<()> {
    let mut players = JoinSet::new();
    for player in 0..PLAYERS {
        let game = satchel.game();
        players.spawn(async move {
            let user = format!("player-{player}");
            for round in 0..rounds {
                let key = format!("{user}/{round}");
                game.submit_until_accepted(&format!("{key}/reward"), &reward_pieces(&user, "arrow", 1)).await;
                game.submit_until_accepted(&format!("{key}/use"), &use_item(&user, "arrow", 1)).await;
            }
        });
    }
    players
}

/// Waits until `count` jobs are accepted.
pub async fn accepted(satchel: &Satchel, count: usize) {
    wait::until_true(&format!("{count} jobs are accepted"), || satchel.journal.accepted().len() >= count).await;
}

/// Waits until `count` jobs are finished, as far as Postgres answers.
pub async fn finished(satchel: &Satchel, count: usize) {
    wait::until_true(&format!("{count} jobs are finished"), || {
        let answer = satchel.database.owner.try_run("SELECT count(*) FROM jobs");
        answer.is_ok_and(|text| text.parse::<usize>().is_ok_and(|finished| finished >= count))
    })
    .await;
}

/// Checks that of `rounds` rounds of all players every job was applied, none rejected.
pub fn assert_all_applied(satchel: &Satchel, rounds: usize) {
    let count = |status| satchel.database.owner.run(&format!("SELECT count(*) FROM jobs WHERE status {status}"));
    assert_eq!(count("= 'applied'"), (2 * rounds * PLAYERS).to_string());
    assert_eq!(count("<> 'applied'"), "0");
}
