//! What reward rules have given for, of those that give once for each value.

use satchel_model::facts::{OnceKey, RuleGrant};
use satchel_model::ids::{RuleId, UserKey};

use super::{StoredFact, Write};
use crate::db::stored;
use crate::db::stored::Unreadable;
use crate::{StoreError, Tx};

impl StoredFact for RuleGrant {
    async fn load(tx: &mut Tx<'_>, keys: &[(UserKey, OnceKey)]) -> Result<Vec<(UserKey, OnceKey, bool)>, StoreError> {
        let shards: Vec<i32> = keys.iter().map(|(user, _)| stored::shard_number(user.shard)).collect();
        let uids: Vec<i64> = keys.iter().map(|(user, _)| user.uid.get()).collect();
        let rule_ids: Vec<&str> = keys.iter().map(|(_, key)| key.rule_id.as_str()).collect();
        let values: Vec<&str> = keys.iter().map(|(_, key)| key.value.as_str()).collect();
        let rows = sqlx::query!(
            "SELECT rule_grants.shard, rule_grants.uid, rule_grants.rule_id, rule_grants.value
         FROM UNNEST($1::integer[], $2::bigint[], $3::text[], $4::text[]) AS wanted (shard, uid, rule_id, value)
         JOIN rule_grants USING (shard, uid, rule_id, value)",
            &shards,
            &uids,
            &rule_ids as &[&str],
            &values as &[&str],
        )
        .fetch_all(&mut *tx.0)
        .await?;
        rows.into_iter()
            .map(|row| {
                let rule_id = RuleId::parse(&row.rule_id).map_err(|error| Unreadable::new("rule_id", error))?;
                Ok((stored::user_key(row.shard, row.uid)?, OnceKey { rule_id, value: row.value }, true))
            })
            .collect()
    }

    /// Fails if a rule has given for one of them before.
    async fn write(tx: &mut Tx<'_>, writes: &[Write<'_, Self>]) -> Result<(), StoreError> {
        let given = || writes.iter().filter(|write| *write.value);
        let shards: Vec<i32> = given().map(|write| stored::shard_number(write.user.shard)).collect();
        let uids: Vec<i64> = given().map(|write| write.user.uid.get()).collect();
        let rule_ids: Vec<&str> = given().map(|write| write.key.rule_id.as_str()).collect();
        let values: Vec<&str> = given().map(|write| write.key.value.as_str()).collect();
        sqlx::query!(
            "INSERT INTO rule_grants (shard, uid, rule_id, value)
         SELECT *
         FROM UNNEST($1::integer[], $2::bigint[], $3::text[], $4::text[])",
            &shards,
            &uids,
            &rule_ids as &[&str],
            &values as &[&str],
        )
        .execute(&mut *tx.0)
        .await?;
        Ok(())
    }
}
