//! API keys: only a hash of each is stored.

use chrono::{DateTime, Utc};
use satchel_model::access::{Actor, Role, Scopes};

use crate::db::stored::Unreadable;
use crate::{Pool, StoreError};

/// A key as stored.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The part of the key that may be shown; names it.
    pub prefix: String,
    /// SHA-256 of the whole key. Keys are 32 random bytes or more, so a fast hash is enough.
    pub secret_hash: [u8; 32],
    /// What people call it.
    pub name: String,
    /// Whom it speaks for.
    pub actor: Actor,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

struct Row {
    prefix: String,
    secret_hash: Vec<u8>,
    name: String,
    role: String,
    subject: String,
    scopes: String,
    created_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for ApiKey {
    type Error = Unreadable;

    fn try_from(row: Row) -> Result<Self, Unreadable> {
        let role = Role::parse(&row.role).ok_or_else(|| Unreadable::new("role", &row.role))?;
        Ok(Self {
            prefix: row.prefix,
            secret_hash: row.secret_hash.as_slice().try_into().map_err(|e| Unreadable::new("secret_hash", e))?,
            name: row.name,
            actor: Actor::new(role, &row.subject, Scopes::of_claim(&row.scopes))
                .map_err(|error| Unreadable::new("subject", error))?,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        })
    }
}

/// Adds a key (as the owner of the schema).
///
/// # Errors
/// If Postgres is away, the role may not, or the prefix is taken.
pub async fn create(
    pool: &Pool,
    prefix: &str,
    secret_hash: &[u8; 32],
    name: &str,
    actor: &Actor,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO api_keys (prefix, secret_hash, name, role, subject, scopes) VALUES ($1, $2, $3, $4, $5, $6)",
        prefix,
        &secret_hash[..],
        name,
        actor.role.as_str(),
        actor.subject.as_str(),
        actor.scopes.to_string(),
    )
    .execute(&pool.0)
    .await?;
    Ok(())
}

/// All keys, the oldest first.
///
/// # Errors
/// If Postgres is away.
pub async fn list(pool: &Pool) -> Result<Vec<ApiKey>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT prefix, secret_hash, name, role, subject, scopes, created_at, revoked_at
         FROM api_keys
         ORDER BY created_at, prefix"
    )
    .fetch_all(&pool.0)
    .await?;
    Ok(rows.into_iter().map(ApiKey::try_from).collect::<Result<_, _>>()?)
}

/// The key with this prefix, revoked or not.
///
/// # Errors
/// If Postgres is away.
pub async fn find(pool: &Pool, prefix: &str) -> Result<Option<ApiKey>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT prefix, secret_hash, name, role, subject, scopes, created_at, revoked_at
         FROM api_keys
         WHERE prefix = $1",
        prefix,
    )
    .fetch_optional(&pool.0)
    .await?;
    Ok(row.map(ApiKey::try_from).transpose()?)
}

/// Revokes a key (as the owner of the schema). `false` if there is none that was still valid.
///
/// # Errors
/// If Postgres is away or the role may not.
pub async fn revoke(pool: &Pool, prefix: &str) -> Result<bool, StoreError> {
    let done = sqlx::query!(
        "UPDATE api_keys SET revoked_at = clock_timestamp() WHERE prefix = $1 AND revoked_at IS NULL",
        prefix,
    )
    .execute(&pool.0)
    .await?;
    Ok(done.rows_affected() == 1)
}
