//! Events become runs: in each shard in order, none left out, none twice.

use satchel_model::ids::{FunctionId, RunId, Shard, UserId};
use satchel_model::records::Place;
use uuid::Uuid;

use crate::db::stored;
use crate::{Session, StoreError, Tx};

/// Events of a shard that were not given to functions yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undispatched {
    /// The shard.
    pub shard: Shard,
    /// The last one that was given.
    pub after: i64,
    /// The last one there is.
    pub last: i64,
}

/// The part of an event that says which functions run for it.
#[derive(Debug, Clone)]
pub struct EventSummary {
    /// Where it stands.
    pub place: Place,
    /// The user that it is about.
    pub user_id: UserId,
    /// What happened.
    pub name: String,
}

/// The next events of some shards.
#[derive(Debug, Clone, Default)]
pub struct Next {
    /// Those that can be given, in order.
    pub events: Vec<EventSummary>,
    /// Those that cannot be read: they are passed over.
    pub damaged: Vec<Place>,
}

/// A run to be made.
#[derive(Debug, Clone)]
pub struct NewRun<'a> {
    /// Of which function.
    pub function_id: &'a FunctionId,
    /// For whom; empty if there is nobody to choose from.
    pub target: &'a str,
    /// For which event.
    pub event: &'a EventSummary,
    /// By which replay.
    pub replay_id: Option<Uuid>,
    /// Whether it waits for those that were made before for its user and target.
    pub is_ordered: bool,
}

impl Undispatched {
    /// Up to where it is looked for events at once.
    #[must_use]
    pub fn until(&self) -> i64 {
        self.last.min(self.after + MAX_LOOKED_AT)
    }
}

/// Most events of a shard that are looked at for those that some function subscribes to.
const MAX_LOOKED_AT: i64 = 10_000;

/// Of these shards, those that have events to be given, at most `most`: those that are farthest behind, so that none is
/// always passed over for others.
///
/// # Errors
/// If Postgres is away.
pub async fn undispatched(
    session: &mut Session,
    shards: &[Shard],
    most: usize,
) -> Result<Vec<Undispatched>, StoreError> {
    let rows = sqlx::query!(
        "SELECT shard, dispatched, events
         FROM event_cursors
         JOIN shard_counters USING (shard)
         WHERE shard = ANY($1) AND events > dispatched
         ORDER BY events - dispatched DESC, shard
         LIMIT $2",
        &stored::shard_numbers(shards),
        i64::try_from(most).unwrap_or(i64::MAX),
    )
    .fetch_all(session.connection().await?)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Undispatched { shard: stored::shard(row.shard)?, after: row.dispatched, last: row.events }))
        .collect()
}

/// The next events of these shards with one of the names (`None`: with any), up to [`Undispatched::until`] and at most `limit`
/// of each shard, in order; quiet ones only if they are asked for.
///
/// # Errors
/// If Postgres is away.
pub async fn next(
    tx: &mut Tx<'_>,
    shards: &[Undispatched],
    names: Option<&[&str]>,
    include_quiet: bool,
    limit: i64,
) -> Result<Next, StoreError> {
    let numbers: Vec<i32> = shards.iter().map(|shard| shard.shard.get().into()).collect();
    let after: Vec<i64> = shards.iter().map(|shard| shard.after).collect();
    let until: Vec<i64> = shards.iter().map(Undispatched::until).collect();
    let rows = sqlx::query!(
        r#"SELECT events.shard AS "shard!", events.seq AS "seq!", events.user_id, events.name AS "name!"
           FROM UNNEST($1::integer[], $2::bigint[], $3::bigint[]) AS wanted (shard, after, until)
           CROSS JOIN LATERAL (
               SELECT shard, seq, user_id, name
               FROM events_between(wanted.shard, wanted.after + 1, wanted.until)
               WHERE ($4::text[] IS NULL OR name = ANY($4))
                 AND ($6 OR is_quiet IS NULL)
               ORDER BY batch, seq
               LIMIT $5
           ) AS events"#,
        &numbers,
        &after,
        &until,
        names as Option<&[&str]>,
        limit,
        include_quiet,
    )
    .fetch_all(&mut *tx.0)
    .await?;
    let mut next = Next::default();
    for row in rows {
        let place = Place { shard: stored::shard(row.shard)?, seq: row.seq };
        match stored::user_id(row.user_id.as_deref().unwrap_or_default()) {
            Ok(user_id) => next.events.push(EventSummary { place, user_id, name: row.name }),
            Err(error) => {
                tracing::error!(shard = %place.shard, seq = place.seq, %error, "an event cannot be read: no function gets it");
                next.damaged.push(place);
            }
        }
    }
    Ok(next)
}

/// Keeps runs of these shards from ending until the transaction does: needed before runs are made that are held behind
/// others, since one that ends queues the next.
///
/// # Errors
/// If Postgres is away.
pub async fn lock(tx: &mut Tx<'_>, shards: &[Shard]) -> Result<(), StoreError> {
    sqlx::query!(
        "SELECT FROM event_cursors WHERE shard = ANY($1) ORDER BY shard FOR NO KEY UPDATE",
        &stored::shard_numbers(shards),
    )
    .fetch_all(&mut *tx.0)
    .await?;
    Ok(())
}

/// Makes runs; one that is there already stays as it is. Of those in order the first of each user and target is queued, and
/// only if there is none already; the others are held.
///
/// # Errors
/// If Postgres is away.
pub async fn add_runs(tx: &mut Tx<'_>, runs: &[NewRun<'_>]) -> Result<(), StoreError> {
    let id = |run: &NewRun<'_>| {
        let Place { shard, seq } = run.event.place;
        RunId::of(run.function_id, run.target, shard, seq, run.replay_id).as_uuid()
    };
    let run_ids: Vec<Uuid> = runs.iter().map(id).collect();
    let function_ids: Vec<&str> = runs.iter().map(|run| run.function_id.as_str()).collect();
    let targets: Vec<&str> = runs.iter().map(|run| run.target).collect();
    let shards: Vec<i32> = runs.iter().map(|run| stored::shard_number(run.event.place.shard)).collect();
    let seqs: Vec<i64> = runs.iter().map(|run| run.event.place.seq).collect();
    let user_ids: Vec<&str> = runs.iter().map(|run| run.event.user_id.as_str()).collect();
    let names: Vec<&str> = runs.iter().map(|run| run.event.name.as_str()).collect();
    let replay_ids: Vec<Option<Uuid>> = runs.iter().map(|run| run.replay_id).collect();
    let ordered: Vec<bool> = runs.iter().map(|run| run.is_ordered).collect();
    sqlx::query!(
        "INSERT INTO function_runs (run_id, function_id, target, shard, event_seq, user_id, event_name, replay_id,
                                    is_ordered, status)
         SELECT made.*, CASE WHEN is_ordered AND (
                    row_number() OVER (PARTITION BY function_id, target, user_id ORDER BY event_seq) > 1
                    -- In the order of the one index that has these columns: others have all that wait as well. (EXISTS
                    -- would not care for the order.)
                    OR (
                        SELECT true
                        FROM function_runs AS earlier
                        WHERE earlier.function_id = made.function_id AND earlier.user_id = made.user_id
                          AND earlier.target = made.target AND earlier.finished_at IS NULL AND earlier.is_ordered
                          AND earlier.replay_id IS NOT DISTINCT FROM made.replay_id
                        ORDER BY earlier.event_seq
                        LIMIT 1
                    ) IS TRUE
                ) THEN 'held' ELSE 'queued' END
         FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::integer[], $5::bigint[], $6::text[], $7::text[],
                     $8::uuid[], $9::boolean[])
             AS made (run_id, function_id, target, shard, event_seq, user_id, event_name, replay_id, is_ordered)
         ON CONFLICT (run_id, shard) DO NOTHING",
        &run_ids,
        &function_ids as &[&str],
        &targets as &[&str],
        &shards,
        &seqs,
        &user_ids as &[&str],
        &names as &[&str],
        &replay_ids as &[Option<Uuid>],
        &ordered,
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(())
}

/// Notes how far events were given: of each shard from where it was, up to this event. `false` if one of them is not where
/// it was, so that another worker gives its events.
///
/// # Errors
/// If Postgres is away.
pub async fn advance(tx: &mut Tx<'_>, steps: &[(Undispatched, i64)]) -> Result<bool, StoreError> {
    let shards: Vec<i32> = steps.iter().map(|(from, _)| from.shard.get().into()).collect();
    let from: Vec<i64> = steps.iter().map(|(from, _)| from.after).collect();
    let seqs: Vec<i64> = steps.iter().map(|(_, reached)| *reached).collect();
    let advanced = sqlx::query!(
        "UPDATE event_cursors
         SET dispatched = reached.seq
         FROM UNNEST($1::integer[], $2::bigint[], $3::bigint[]) AS reached (shard, after, seq)
         WHERE event_cursors.shard = reached.shard AND dispatched = reached.after",
        &shards,
        &from,
        &seqs,
    )
    .execute(&mut *tx.0)
    .await?
    .rows_affected();
    Ok(advanced == steps.len() as u64)
}

/// Runs that nobody is at wait for their turn again, or end if an operator has asked for that: those that this worker has
/// begun and does not know of (`active` are those that it does), and those of its shards whose worker is gone. Those of a
/// worker that lives are its own to end, though the shard be another one's by now.
///
/// # Errors
/// If Postgres is away.
pub async fn requeue_orphans(
    session: &mut Session,
    worker_id: Uuid,
    shards: &[Shard],
    active: &[Uuid],
) -> Result<u64, StoreError> {
    let requeued = sqlx::query!(
        "UPDATE function_runs
         SET status = CASE WHEN is_cancelled THEN 'cancelled' ELSE 'queued' END,
             finished_at = CASE WHEN is_cancelled THEN clock_timestamp() END,
             due_at = clock_timestamp()
         WHERE status = 'running' AND (
             worker_id = $1 AND run_id <> ALL($3)
             OR shard = ANY($2) AND NOT EXISTS (
                 SELECT FROM live_workers WHERE live_workers.worker_id = function_runs.worker_id
             )
         )",
        worker_id,
        &stored::shard_numbers(shards),
        active,
    )
    .execute(session.connection().await?)
    .await?;
    Ok(requeued.rows_affected())
}
