//! What rules have given for, of those that give once for each value.

use chrono::{DateTime, Utc};
use satchel_model::facts::OnceKey;
use satchel_model::ids::{JobId, RuleId, UserId};
use uuid::Uuid;

use super::stored::Unreadable;
use super::{StoreError, Tx, stored};

/// A rule that gave.
#[derive(Debug, Clone)]
pub struct RuleGrant {
    /// To whom.
    pub user_id: UserId,
    /// For what.
    pub key: OnceKey,
    /// By which job.
    pub job_id: JobId,
}

/// Those of the keys for which rules have given to these users.
///
/// # Errors
/// If Postgres is away.
pub async fn find(tx: &mut Tx<'_>, keys: &[(&UserId, OnceKey)]) -> Result<Vec<(UserId, OnceKey)>, StoreError> {
    let user_ids: Vec<&str> = keys.iter().map(|(user_id, _)| user_id.as_str()).collect();
    let rule_ids: Vec<&str> = keys.iter().map(|(_, key)| key.rule_id.as_str()).collect();
    let values: Vec<&str> = keys.iter().map(|(_, key)| key.value.as_str()).collect();
    let rows = sqlx::query!(
        "SELECT rule_grants.user_id, rule_grants.rule_id, rule_grants.value
         FROM UNNEST($1::text[], $2::text[], $3::text[]) AS wanted (user_id, rule_id, value)
         JOIN rule_grants USING (user_id, rule_id, value)",
        &user_ids as &[&str],
        &rule_ids as &[&str],
        &values as &[&str],
    )
    .fetch_all(&mut *tx.0)
    .await?;
    rows.into_iter()
        .map(|row| {
            let rule_id = RuleId::parse(&row.rule_id).map_err(|error| Unreadable::new("rule_id", error))?;
            Ok((stored::user_id(&row.user_id)?, OnceKey { rule_id, value: row.value }))
        })
        .collect()
}

/// Adds what rules have given for now.
///
/// # Errors
/// If Postgres is away, or a rule has given for it before.
pub async fn add(tx: &mut Tx<'_>, grants: &[RuleGrant], at: DateTime<Utc>) -> Result<(), StoreError> {
    let user_ids: Vec<&str> = grants.iter().map(|grant| grant.user_id.as_str()).collect();
    let rule_ids: Vec<&str> = grants.iter().map(|grant| grant.key.rule_id.as_str()).collect();
    let values: Vec<&str> = grants.iter().map(|grant| grant.key.value.as_str()).collect();
    let job_ids: Vec<Uuid> = grants.iter().map(|grant| grant.job_id.as_uuid()).collect();
    sqlx::query!(
        "INSERT INTO rule_grants (user_id, rule_id, value, job_id, at)
         SELECT user_id, rule_id, value, job_id, $5
         FROM UNNEST($1::text[], $2::text[], $3::text[], $4::uuid[]) AS given (user_id, rule_id, value, job_id)",
        &user_ids as &[&str],
        &rule_ids as &[&str],
        &values as &[&str],
        &job_ids,
        at,
    )
    .execute(&mut *tx.0)
    .await?;
    Ok(())
}
