//! Proves that what is stored holds together: chains, balances, heads, signatures and parked jobs.
//!
//! All records are read once, at one moment, over several connections at once; so it may run beside working workers. In memory are the
//! heads and holdings of a page of users, and one user's balances, on each connection, however many records there are.

mod chains;
mod changes;
mod copy;
mod follow;
mod parked;
mod report;
mod snapshot;
mod unchanged;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use satchel_model::ledger::LedgerKeys;
use tokio::task::{JoinError, JoinSet};

use self::follow::GivenHasher;
use self::report::{Subject, Tally};
use crate::db::stored;
use crate::{Pool, StoreError};

pub use self::report::{AuditReport, Finding, MAX_FINDINGS, Progress};

/// Most connections at once.
pub const MAX_CONNECTIONS: usize = 8;

type Transaction = sqlx::Transaction<'static, sqlx::Postgres>;

/// What is looked at in one go.
#[derive(Debug, Clone, Copy)]
enum Part {
    Parked,
    Unchanged { is_keyless: bool },
    Shard(i32),
}

/// What all connections share.
#[derive(Debug)]
struct Audit {
    keys: Option<LedgerKeys>,
    progress: Arc<Progress>,
    tally: Tally,
    hasher: GivenHasher,
    parts: Vec<Part>,
    /// The part that is next.
    next: AtomicUsize,
}

/// Reads the whole ledger over `connections` of the pool's connections, at most [`MAX_CONNECTIONS`], and checks: every hash chain, that
/// each user's head is its chain's end, that every balance is the one before plus the change, that every holding is the last balance,
/// that rules have given what the ledger says, that records without changes are signed or told of elsewhere, and that exactly the
/// blocked users have parked jobs: undecided ones, all but the first blocked. Without keys, signatures are not checked.
///
/// # Errors
/// If Postgres is away, the pool has fewer connections, or a row cannot be read.
pub async fn check(
    pool: &Pool,
    connections: usize,
    keys: Option<LedgerKeys>,
    progress: &Arc<Progress>,
) -> Result<AuditReport, StoreError> {
    let mut open = snapshot::open(pool, connections.clamp(1, MAX_CONNECTIONS)).await?;
    let parts = match open.first_mut() {
        Some(tx) => {
            progress.expected.store(expected(tx).await?, Ordering::Relaxed);
            parts(tx).await?
        }
        None => Vec::new(),
    };
    let (progress, tally, hasher, next) = (Arc::clone(progress), Tally::default(), GivenHasher::default(), 0.into());
    let audit = Arc::new(Audit { keys, progress, tally, hasher, parts, next });
    let mut working = JoinSet::new();
    for tx in open {
        working.spawn(work(tx, Arc::clone(&audit)));
    }
    while let Some(ended) = working.join_next().await {
        ended.map_err(crashed)??;
    }
    let mut findings = named(pool, audit.tally.take()).await?;
    findings.sort();
    let (records, changes) = (audit.progress.records(), audit.progress.changes.load(Ordering::Relaxed));
    Ok(AuditReport { records, changes, findings })
}

/// Checks part after part until none is left.
async fn work(mut tx: Transaction, audit: Arc<Audit>) -> Result<(), StoreError> {
    while let Some(part) = audit.parts.get(audit.next.fetch_add(1, Ordering::Relaxed)) {
        match *part {
            Part::Parked => parked::check(&mut tx, &audit.tally).await?,
            Part::Unchanged { is_keyless } => unchanged::check(&mut tx, is_keyless, &audit).await?,
            Part::Shard(shard) => chains::check(&mut tx, shard, &audit).await?,
        }
    }
    Ok(tx.commit().await?)
}

fn crashed(error: JoinError) -> StoreError {
    sqlx::Error::Io(std::io::Error::other(error)).into()
}

async fn expected(tx: &mut Transaction) -> Result<u64, StoreError> {
    let rows =
        sqlx::query_scalar!(r#"SELECT reltuples::bigint AS "rows!" FROM pg_class WHERE oid = 'records'::regclass"#);
    Ok(u64::try_from(rows.fetch_one(&mut **tx).await?).unwrap_or_default())
}

/// All parts. Shards are all that occur, whatever there should be.
async fn parts(tx: &mut Transaction) -> Result<Vec<Part>, StoreError> {
    let shards = sqlx::query_scalar!(
        r#"WITH ends AS (
               SELECT min(low) AS low, max(high) AS high
               FROM (
                   SELECT min(shard) AS low, max(shard) AS high FROM users
                   UNION ALL
                   SELECT min(shard), max(shard) FROM records WHERE count > 0
                   UNION ALL
                   SELECT min(shard), max(shard) FROM holdings
                   UNION ALL
                   SELECT min(shard), max(shard) FROM rule_grants
               ) AS tables
           )
           SELECT shard AS "shard!"
           FROM ends
           CROSS JOIN LATERAL generate_series(low, high) AS shard"#
    )
    .fetch_all(&mut **tx)
    .await?;
    let whole = [Part::Parked, Part::Unchanged { is_keyless: false }, Part::Unchanged { is_keyless: true }];
    Ok(whole.into_iter().chain(shards.into_iter().map(Part::Shard)).collect())
}

/// The findings, with the names of users that still have one.
async fn named(pool: &Pool, found: Vec<(Subject, String)>) -> Result<Vec<Finding>, StoreError> {
    let users = || {
        found.iter().filter_map(|(subject, _)| match subject {
            Subject::User(user) => Some(user),
            Subject::Named(_) => None,
        })
    };
    let shards: Vec<i32> = users().map(|user| stored::shard_number(user.shard)).collect();
    let uids: Vec<i64> = users().map(|user| user.uid.get()).collect();
    let rows = sqlx::query!(
        "SELECT user_names.shard, user_names.uid, user_names.user_id
         FROM UNNEST($1::integer[], $2::bigint[]) AS wanted (shard, uid)
         JOIN user_names USING (shard, uid)",
        &shards,
        &uids,
    )
    .fetch_all(&pool.0)
    .await?;
    let mut names = HashMap::new();
    for row in rows {
        names.insert(stored::user_key(row.shard, row.uid)?, row.user_id);
    }
    let finding = |(subject, detail)| {
        let user_id = match subject {
            Subject::Named(name) => name,
            Subject::User(user) => names.get(&user).cloned().unwrap_or_else(|| format!("#{}", user.uid)),
        };
        Finding { user_id, detail }
    };
    Ok(found.into_iter().map(finding).collect())
}
