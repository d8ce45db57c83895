//! What reward rules have given for, of those that give once for each value.

use chrono::{DateTime, Utc};
use satchel_model::facts::{OnceKey, RuleGrant};
use satchel_model::ids::{RuleId, UserId};
use uuid::Uuid;

use super::{StoredFact, Write};
use crate::db::stored;
use crate::db::stored::Unreadable;
use crate::{StoreError, Tx};

impl StoredFact for RuleGrant {
    async fn load(tx: &mut Tx<'_>, keys: &[(&UserId, OnceKey)]) -> Result<Vec<(UserId, OnceKey, bool)>, StoreError> {
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
                Ok((stored::user_id(&row.user_id)?, OnceKey { rule_id, value: row.value }, true))
            })
            .collect()
    }

    /// Fails if a rule has given for one of them before.
    async fn write(tx: &mut Tx<'_>, writes: &[Write<'_, Self>], at: DateTime<Utc>) -> Result<(), StoreError> {
        let given = || writes.iter().filter(|write| *write.value);
        let user_ids: Vec<&str> = given().map(|write| write.user_id.as_str()).collect();
        let rule_ids: Vec<&str> = given().map(|write| write.key.rule_id.as_str()).collect();
        let values: Vec<&str> = given().map(|write| write.key.value.as_str()).collect();
        let job_ids: Vec<Uuid> = given().map(|write| write.job_id.as_uuid()).collect();
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
}
