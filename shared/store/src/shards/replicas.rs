//! Which APIs there are, and whether they keep accepted jobs in the journal: while one is set to, all others do as well, so
//! that no player's jobs come by two ways at a time.
//!
//! As with `workers`, a row counts until it expires by the database's clock, and not if it is to last for longer than it says.

use uuid::Uuid;

use crate::{Pool, StoreError};

/// What an API says of itself.
#[derive(Debug, Clone, Copy)]
pub struct Announcement {
    /// Which one it is.
    pub replica_id: Uuid,
    /// Whether it is set to keep a journal.
    pub wants_journal: bool,
    /// Whether it does.
    pub journals: bool,
    /// For how long this holds, in milliseconds.
    pub ttl_ms: i32,
}

/// What the others say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Others {
    /// Some other API is set to keep a journal.
    pub want_journal: bool,
    /// All others keep one, whatever they are set to.
    pub all_journal: bool,
}

/// Says what an API does, forgets those that are long gone, and tells what the others say.
///
/// # Errors
/// If Postgres is away.
pub async fn announce(pool: &Pool, own: Announcement) -> Result<Others, StoreError> {
    let others = sqlx::query_as!(
        Others,
        r#"WITH gone AS (
               DELETE FROM api_replicas
               WHERE replica_id = ANY(ARRAY(
                   SELECT replica_id
                   FROM api_replicas
                   WHERE replica_id <> $1 AND (
                       expires_at < clock_timestamp() - interval '1 hour'
                       OR expires_at > clock_timestamp() + interval '1 hour'
                   )
                   FOR UPDATE SKIP LOCKED
               ))
           ), renewed AS (
               INSERT INTO api_replicas (replica_id, wants_journal, journals, ttl_ms, expires_at)
               VALUES ($1, $2, $3, $4::integer, clock_timestamp() + $4::integer * interval '1 millisecond')
               ON CONFLICT (replica_id) DO UPDATE
               SET wants_journal = EXCLUDED.wants_journal,
                   journals = EXCLUDED.journals,
                   ttl_ms = EXCLUDED.ttl_ms,
                   expires_at = EXCLUDED.expires_at
           )
           SELECT COALESCE(bool_or(wants_journal), false) AS "want_journal!",
                  COALESCE(bool_and(journals), true) AS "all_journal!"
           FROM api_replicas
           WHERE replica_id <> $1 AND expires_at > clock_timestamp()
             AND expires_at <= clock_timestamp() + (ttl_ms + 1000) * interval '1 millisecond'"#,
        own.replica_id,
        own.wants_journal,
        own.journals,
        own.ttl_ms,
    );
    Ok(others.fetch_one(&pool.0).await?)
}

/// Takes an API out of those that are there.
///
/// # Errors
/// If Postgres is away.
pub async fn leave(pool: &Pool, replica_id: Uuid) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM api_replicas WHERE replica_id = $1", replica_id).execute(&pool.0).await?;
    Ok(())
}
