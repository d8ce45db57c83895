//! What is noted of a queue that has what it had, or less.

use chrono::{DateTime, Utc};
use satchel_model::ids::Shard;
use satchel_store::Session;
use satchel_store::watermarks::{self, Found, State};

use crate::database::Database;

const SHARDS: [Shard; 2] = [Shard::new(0), Shard::new(1)];

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn found(shard: Shard, known: Option<i64>, marked_at: Option<i64>, state: State) -> Found {
    Found { shard, known: known.map(at), marked_at: marked_at.map(at), state }
}

async fn marks(session: &mut Session) -> Vec<Option<i64>> {
    let known = watermarks::known(session, &SHARDS).await.unwrap();
    known.iter().map(|known| known.marked_at.map(|at| at.timestamp())).collect()
}

#[tokio::test]
async fn a_loss_is_noted_once_and_told_until_a_day_is_over() {
    let database = Database::new().await;
    let (mut session, pool) = (database.session(), database.pool());
    assert_eq!(marks(&mut session).await, [None, None]);
    let whole = |known, marked_at| SHARDS.map(|shard| found(shard, known, marked_at, State::Whole(Some(at(5)))));
    assert!(watermarks::note(&mut session, &whole(None, Some(10))).await.unwrap().is_empty());
    // Another worker, which has read before that, notes nothing.
    watermarks::note(&mut session, &whole(None, Some(99))).await.unwrap();
    assert_eq!(marks(&mut session).await, [Some(10), Some(10)]);
    let known = watermarks::known(&mut session, &SHARDS).await.unwrap();
    assert!(known.iter().all(|known| known.waiting_since == Some(at(5))), "{known:?}");
    assert_eq!(watermarks::loss(&pool).await.unwrap(), None);

    let anew = [
        found(SHARDS[0], Some(10), None, State::Anew(Some(at(5)))),
        found(SHARDS[1], Some(10), Some(8), State::Anew(Some(at(8)))),
    ];
    assert_eq!(watermarks::note(&mut session, &anew).await.unwrap(), SHARDS);
    assert!(watermarks::note(&mut session, &anew).await.unwrap().is_empty(), "it is known already");
    assert_eq!(marks(&mut session).await, [None, Some(8)]);
    let loss = async || watermarks::loss(&pool).await.unwrap().map(|loss| (loss.lost_since, loss.shards));
    assert_eq!(loss().await, Some((Some(at(5)), 2)));
    // What follows hides nothing that is worse, and what is worse counts.
    let again = |since| [found(SHARDS[0], None, None, State::Anew(since))];
    watermarks::note(&mut session, &again(Some(at(7)))).await.unwrap();
    assert_eq!(loss().await, Some((Some(at(5)), 2)));
    watermarks::note(&mut session, &again(None)).await.unwrap();
    assert_eq!(loss().await, Some((None, 2)));
    watermarks::note(&mut session, &again(Some(at(7)))).await.unwrap();
    assert_eq!(loss().await, Some((None, 2)));
    database.psql("UPDATE queue_watermarks SET began_anew_at = began_anew_at - interval '1 day' WHERE shard = 0");
    assert_eq!(loss().await, Some((Some(at(8)), 1)));
    watermarks::note(&mut session, &again(Some(at(9)))).await.unwrap();
    assert_eq!(loss().await, Some((Some(at(8)), 2)), "what is a day old is told no more");
}
