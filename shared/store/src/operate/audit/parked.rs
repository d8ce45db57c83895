//! That exactly the blocked users have parked jobs: undecided ones, all but the first blocked.

use super::Transaction;
use super::report::{MAX_FINDINGS, Subject, Tally};
use crate::StoreError;

pub(super) async fn check(tx: &mut Transaction, tally: &Tally) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"WITH placed AS (
               SELECT user_id, job_id, state, row_number() OVER (PARTITION BY user_id ORDER BY position) AS place
               FROM parked_jobs
           ), parked AS (
               SELECT placed.user_id,
                      bool_and((place = 1) = (state <> 'blocked')) AS is_in_order,
                      bool_or(records.job_id IS NOT NULL) AS is_decided
               FROM placed
               LEFT JOIN records ON records.job_id = placed.job_id
               GROUP BY placed.user_id
           )
           SELECT COALESCE(users.user_id, parked.user_id) AS "user_id!", COALESCE(is_blocked, false) AS "is_blocked!",
                  COALESCE(is_in_order, true) AS "is_in_order!", COALESCE(is_decided, false) AS "is_decided!"
           FROM (SELECT user_id, is_blocked FROM users JOIN user_names USING (shard, uid)) AS users
           FULL JOIN parked USING (user_id)
           WHERE is_blocked IS DISTINCT FROM (parked.user_id IS NOT NULL) OR NOT is_in_order OR is_decided
           LIMIT $1"#,
        i64::try_from(MAX_FINDINGS).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let (blocked, in_order, decided) = (row.is_blocked, row.is_in_order, row.is_decided);
        tally.add(
            Subject::Named(row.user_id),
            format!("parked jobs do not hold together (blocked: {blocked}, in order: {in_order}, decided: {decided})"),
        );
    }
    Ok(())
}
