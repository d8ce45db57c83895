//! Which runs begin now, within the limits of their functions, over all workers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use satchel_model::events::Emission;
use satchel_model::ids::{FunctionId, RunId, Shard, UserId};
use satchel_model::records::{NewEvent, Place};
use uuid::Uuid;

use super::candidates::{self, Candidate, Search};
use super::pace::Pace;
use crate::batch::users;
use crate::db::stored;
use crate::shards::leases::Lease;
use crate::{Session, StoreError, Tx};

pub use super::limits::{KeyOf, Limits};

/// A run that has begun.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The run.
    pub run_id: RunId,
    /// For whom.
    pub target: String,
    /// The event.
    pub event: Place,
    /// Whom it is about.
    pub user_id: UserId,
    /// What happened.
    pub event_name: String,
    /// Attempts begun, with this one.
    pub attempts: i32,
    /// Attempts that failed before.
    pub tries: i32,
    /// Under which lease it has begun.
    pub epoch: i64,
    /// When, by the database's clock and by this process's.
    pub begun: (DateTime<Utc>, Instant),
}

impl Claimed {
    /// An event that its function tells of, about the user of the run's own event.
    ///
    /// # Errors
    /// If Postgres is away.
    pub(crate) async fn new_event(&self, tx: &mut Tx<'_>, emission: Emission) -> Result<NewEvent, StoreError> {
        Ok(NewEvent {
            user: users::key(tx, &self.user_id, self.event.shard).await?,
            name: emission.name,
            version: emission.version,
            job_id: None,
            id: Some(format!("{}:{}", self.run_id, self.attempts)),
            occurred_at: None,
            data: emission.data,
            is_quiet: false,
        })
    }
}

impl Claimed {
    /// The database's clock now: this machine's may be wrong.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let (at, then) = self.begun;
        at + TimeDelta::from_std(then.elapsed()).unwrap_or_default()
    }
}

/// Those of the functions that have runs whose time has come, of these shards, and are not paused.
///
/// # Errors
/// If Postgres is away.
pub async fn due(
    session: &mut Session,
    function_ids: &[&FunctionId],
    shards: &[Shard],
) -> Result<Vec<String>, StoreError> {
    let function_ids: Vec<&str> = function_ids.iter().map(|function_id| function_id.as_str()).collect();
    let due = sqlx::query_scalar!(
        r#"SELECT function_id AS "function_id!"
           FROM UNNEST($1::text[]) AS asked (function_id)
           WHERE NOT EXISTS (SELECT FROM functions WHERE functions.function_id = asked.function_id AND is_paused)
             AND EXISTS (
               SELECT FROM function_runs
               WHERE function_runs.function_id = asked.function_id
                 AND status IN ('queued', 'retrying', 'sleeping') AND due_at <= clock_timestamp() AND shard = ANY($2)
           )"#,
        &function_ids as &[&str],
        &stored::shard_numbers(shards),
    );
    Ok(due.fetch_all(session.connection().await?).await?)
}

/// Begins runs of a function, at most `most`, in the order of its limits, that are of shards under these leases of the
/// worker, as far as it still has them; none while it is paused.
///
/// # Errors
/// If Postgres is away.
pub async fn claim(
    tx: &mut Tx<'_>,
    function_id: &FunctionId,
    limits: &Limits,
    worker_id: Uuid,
    leases: &[Lease],
    most: u32,
) -> Result<Vec<Claimed>, StoreError> {
    // One worker after the other: their runs are counted together. Who pauses the function waits for the same lock.
    let now = sqlx::query_scalar!(
        r#"SELECT clock_timestamp() AS "now!"
           FROM functions
           WHERE function_id = $1 AND NOT is_paused
           FOR NO KEY UPDATE"#,
        function_id.as_str(),
    );
    let Some(now) = now.fetch_optional(&mut *tx.0).await? else { return Ok(Vec::new()) };
    let running = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM function_runs WHERE status = 'running' AND function_id = $1"#,
        function_id.as_str(),
    );
    let running = u32::try_from(running.fetch_one(&mut *tx.0).await?).unwrap_or(u32::MAX);
    let mut free = most.min(limits.concurrency.saturating_sub(running));
    let pace = Pace::read(tx, function_id, "", limits.rate, now).await?;
    if let Some(pace) = &pace {
        free = free.min(pace.allowed());
    }
    if free == 0 {
        return Ok(Vec::new());
    }
    let mut choice = Choice { function_id, limits, now, pace, keys: HashMap::new(), chosen: Vec::new() };
    let search = Search { function_id, limits, leases, now, free };
    for candidate in candidates::find(tx, &search).await? {
        if choice.chosen.len() as u64 >= u64::from(free) {
            break;
        }
        choice.weigh(tx, candidate).await?;
    }
    choice.write(tx).await?;
    begin(tx, &choice.chosen, leases, worker_id).await
}

/// Which candidates begin.
struct Choice<'f> {
    function_id: &'f FunctionId,
    limits: &'f Limits,
    now: DateTime<Utc>,
    pace: Option<Pace>,
    keys: HashMap<String, Key>,
    /// Runs and their shards.
    chosen: Vec<(Uuid, i32)>,
}

/// What limits the runs with one key.
struct Key {
    running: u32,
    pace: Option<Pace>,
}

impl Choice<'_> {
    /// Chooses a candidate, if its key allows it.
    async fn weigh(&mut self, tx: &mut Tx<'_>, candidate: Candidate) -> Result<(), StoreError> {
        if self.limits.key != KeyOf::Nothing {
            let most = self.limits.key_concurrency;
            let key = self.key(tx, &candidate).await?;
            if key.running >= most {
                return Ok(());
            }
            if let Some(pace) = &mut key.pace {
                if pace.allowed() == 0 {
                    return Ok(());
                }
                pace.spend();
            }
            key.running += 1;
        }
        if let Some(pace) = &mut self.pace {
            pace.spend();
        }
        self.chosen.push((candidate.run_id, candidate.shard));
        Ok(())
    }

    async fn key(&mut self, tx: &mut Tx<'_>, candidate: &Candidate) -> Result<&mut Key, StoreError> {
        let vacant = match self.keys.entry(candidate.key.clone()) {
            Entry::Occupied(key) => return Ok(key.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        let pace = Pace::read(tx, self.function_id, &candidate.key, self.limits.key_rate, self.now).await?;
        let running = u32::try_from(candidate.running).unwrap_or(u32::MAX);
        Ok(vacant.insert(Key { running, pace }))
    }

    /// Writes how far the rates are spent.
    async fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        for pace in self.pace.iter().chain(self.keys.values().filter_map(|key| key.pace.as_ref())) {
            pace.write(tx, self.function_id).await?;
        }
        Ok(())
    }
}

async fn begin(
    tx: &mut Tx<'_>,
    chosen: &[(Uuid, i32)],
    leases: &[Lease],
    worker_id: Uuid,
) -> Result<Vec<Claimed>, StoreError> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let run_ids: Vec<Uuid> = chosen.iter().map(|(run_id, _)| *run_id).collect();
    let epoch =
        |shard: i32| leases.iter().find(|lease| stored::shard_number(lease.shard) == shard).map(|lease| lease.epoch);
    let epochs: Vec<Option<i64>> = chosen.iter().map(|(_, shard)| epoch(*shard)).collect();
    let rows = sqlx::query!(
        r#"UPDATE function_runs
           SET status = 'running', epoch = chosen.epoch, worker_id = $3, attempts = attempts + 1
           FROM UNNEST($1::uuid[], $2::bigint[]) AS chosen (run_id, epoch)
           WHERE function_runs.run_id = chosen.run_id
             AND EXISTS (
                 SELECT FROM shard_leases
                 WHERE shard_leases.shard = function_runs.shard AND owner = $3 AND shard_leases.epoch = chosen.epoch
             )
           RETURNING function_runs.run_id, target, shard, event_seq, user_id, event_name, attempts, tries,
                     chosen.epoch AS "epoch!", clock_timestamp() AS "begun_at!""#,
        &run_ids,
        &epochs as &[Option<i64>],
        worker_id,
    )
    .fetch_all(&mut *tx.0)
    .await?;
    let now = Instant::now();
    rows.into_iter()
        .map(|row| {
            Ok(Claimed {
                run_id: row.run_id.into(),
                target: row.target,
                event: Place { shard: stored::shard(row.shard)?, seq: row.event_seq },
                user_id: stored::user_id(&row.user_id)?,
                event_name: row.event_name,
                attempts: row.attempts,
                tries: row.tries,
                epoch: row.epoch,
                begun: (row.begun_at, now),
            })
        })
        .collect()
}
