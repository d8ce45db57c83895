//! Replays: events that are given to a function again, shard by shard, in runs of their own.

use chrono::{DateTime, Utc};
use satchel_model::ids::{EventName, FunctionId, Shard, UserId};
use satchel_model::moment;
use satchel_model::records::Place;
use serde_json::json;
use uuid::Uuid;

use super::dispatch::Undispatched;
use crate::actions::{self, Action, Operator};
use crate::db::stored;
use crate::{Pool, Session, StoreError, Tx};

/// What is to be given to a function again.
#[derive(Debug, Clone)]
pub struct Replay {
    /// Only events of this name.
    pub event_name: Option<EventName>,
    /// Only events about this user.
    pub user_id: Option<UserId>,
    /// From this moment on.
    pub from: DateTime<Utc>,
    /// Before this moment.
    pub to: DateTime<Utc>,
    /// Those of quiet jobs as well.
    pub include_quiet: bool,
}

/// Has events given to a function again, in runs of their own, by the workers that have their shards. The replay's id, and
/// how many events it looks at.
///
/// # Errors
/// If Postgres is away.
pub async fn ask(
    pool: &Pool,
    function_id: &FunctionId,
    replay: &Replay,
    by: &Operator<'_>,
) -> Result<(Uuid, i64), StoreError> {
    let replay_id = Uuid::now_v7();
    let mut tx = pool.0.begin().await?;
    sqlx::query!(
        "INSERT INTO function_replays (replay_id, function_id, event_name, user_id, from_time, to_time, asked_by,
                                       include_quiet)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        replay_id,
        function_id.as_str(),
        replay.event_name.as_ref().map(EventName::as_str),
        replay.user_id.as_ref().map(UserId::as_str),
        replay.from,
        replay.to,
        by.actor,
        replay.include_quiet,
    )
    .execute(&mut *tx)
    .await?;
    // No further than what was given to functions in the first place: the rest will be.
    let events = sqlx::query_scalar!(
        r#"WITH parts AS (
               SELECT shard, first_event_since(shard, $2) AS first,
                      LEAST(first_event_since(shard, $3), dispatched + 1) AS past
               FROM event_cursors
           ), added AS (
               INSERT INTO function_replay_shards (shard, replay_id, next_seq, end_seq)
               SELECT shard, $1, first, past
               FROM parts
               WHERE first < past
               RETURNING end_seq - next_seq AS events
           )
           SELECT COALESCE(sum(events), 0)::bigint AS "events!" FROM added"#,
        replay_id,
        replay.from,
        replay.to,
    )
    .fetch_one(&mut *tx)
    .await?;
    let detail = json!({
        "replayId": replay_id, "functionId": function_id, "name": replay.event_name, "userId": replay.user_id,
        "from": moment::text(replay.from), "to": moment::text(replay.to), "includeQuiet": replay.include_quiet,
        "events": events,
    });
    actions::record(&mut tx, by, Action::REPLAY, None, &detail).await?;
    tx.commit().await?;
    Ok((replay_id, events))
}

/// A part of a replay that is left.
#[derive(Debug, Clone)]
pub struct Replaying {
    /// The replay.
    pub replay_id: Uuid,
    /// To which function.
    pub function_id: String,
    /// Only events of this name.
    pub event_name: Option<String>,
    /// Only events about this user.
    pub user_id: Option<String>,
    /// Those of quiet jobs as well.
    pub include_quiet: bool,
    /// What is left of the shard.
    pub left: Undispatched,
}

/// The replays to these functions that are left to these shards, at most `limit`.
///
/// # Errors
/// If Postgres is away.
pub async fn left(
    session: &mut Session,
    function_ids: &[&FunctionId],
    shards: &[Shard],
    limit: i64,
) -> Result<Vec<Replaying>, StoreError> {
    let function_ids: Vec<&str> = function_ids.iter().map(|function_id| function_id.as_str()).collect();
    let rows = sqlx::query!(
        "SELECT shard, replay_id, next_seq, end_seq, function_id, event_name, user_id, include_quiet
         FROM function_replay_shards
         JOIN function_replays USING (replay_id)
         WHERE shard = ANY($1) AND function_id = ANY($2)
         LIMIT $3",
        &stored::shard_numbers(shards),
        &function_ids as &[&str],
        limit,
    )
    .fetch_all(session.connection().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Replaying {
                replay_id: row.replay_id,
                function_id: row.function_id,
                event_name: row.event_name,
                user_id: row.user_id,
                include_quiet: row.include_quiet,
                left: Undispatched { shard: stored::shard(row.shard)?, after: row.next_seq - 1, last: row.end_seq - 1 },
            })
        })
        .collect()
}

/// Notes how far a replay has come in a shard: up to this event, or to its end.
///
/// # Errors
/// If Postgres is away.
pub async fn advance(tx: &mut Tx<'_>, replay_id: Uuid, reached: Place, last: i64) -> Result<(), StoreError> {
    let shard = stored::shard_number(reached.shard);
    if reached.seq >= last {
        sqlx::query!("DELETE FROM function_replay_shards WHERE shard = $1 AND replay_id = $2", shard, replay_id)
            .execute(&mut *tx.0)
            .await?;
        return Ok(());
    }
    sqlx::query!(
        "UPDATE function_replay_shards SET next_seq = $3 WHERE shard = $1 AND replay_id = $2",
        shard,
        replay_id,
        reached.seq + 1,
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(())
}
