//! What is allowed but surprising: users who hold more of an item than a new catalogue would give them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use satchel_forms::Pointer;
use satchel_model::catalogue::Tightened;
use serde::Serialize;

use crate::db::session::limit_statements;
use crate::{Blame, Pool, StoreError};

/// Longest look for such users, in milliseconds. There is no index by item, which each job would have to pay for.
const LOOK_MS: u64 = 200;
/// Pages of the table of holdings that are read at once: some milliseconds of work.
const PAGES_AT_ONCE: i64 = 500;
/// Most items that are warned of.
const MAX_WARNINGS: usize = 100;

/// Something that whoever publishes may not have thought of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Where in the document.
    pub pointer: Pointer,
    /// What follows from it.
    pub detail: String,
}

/// Warns of users who hold more than they could be granted now. Nothing is locked; what is not found in time is not told, nor
/// is it a reason to fail.
pub(super) async fn of(pool: &Pool, tightened: &[Tightened]) -> Vec<Warning> {
    if tightened.is_empty() {
        return Vec::new();
    }
    let mut holders = BTreeMap::new();
    if let Err(error) = look(pool, tightened, &mut holders).await
        && error.blame() != Blame::Size
    {
        tracing::warn!(%error, "it could not be looked for users who hold more than a new catalogue would give them");
    }
    let counted = tightened.iter().filter_map(|item| Some((item, *holders.get(item.item_id.as_str())?)));
    counted.map(|(item, users)| warning(item, users)).take(MAX_WARNINGS).collect()
}

fn warning(item: &Tightened, users: i64) -> Warning {
    let Tightened { item_id, most, at } = item;
    let who = if users == 1 { "1 user holds".to_owned() } else { format!("{users} users hold") };
    let detail = format!("at least {who} more than {most} of {item_id}: they keep what they have");
    Warning { pointer: at.clone(), detail }
}

/// Counts the users by item, page by page, until the time is over. All is read as it was at one moment: so nobody who moves
/// meanwhile is counted twice.
async fn look(pool: &Pool, tightened: &[Tightened], holders: &mut BTreeMap<String, i64>) -> Result<(), StoreError> {
    let until = Instant::now() + Duration::from_millis(LOOK_MS);
    let item_ids: Vec<&str> = tightened.iter().map(|item| item.item_id.as_str()).collect();
    let most: Vec<i64> = tightened.iter().map(|item| item.most).collect();
    let mut tx = pool.0.begin().await?;
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *tx).await?;
    let pages = sqlx::query_scalar!(
        r#"SELECT pg_relation_size('holdings') / current_setting('block_size')::bigint AS "pages!""#
    );
    let pages = pages.fetch_one(&mut *tx).await?;
    let mut first = 0;
    while first < pages {
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        let Ok(left @ 1..) = u32::try_from(left) else { break };
        limit_statements(&mut tx, left).await?;
        let found = sqlx::query!(
            r#"SELECT item_id, count(*) AS "users!"
               FROM holdings
               JOIN UNNEST($1::text[], $2::bigint[]) AS tightened (item_id, most) USING (item_id)
               WHERE holdings.ctid >= format('(%s,0)', $3::bigint)::tid
                 AND holdings.ctid < format('(%s,0)', $4::bigint)::tid
                 AND quantity > most
               GROUP BY item_id"#,
            &item_ids as &[&str],
            &most,
            first,
            first + PAGES_AT_ONCE,
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in found {
            *holders.entry(row.item_id).or_default() += row.users;
        }
        first += PAGES_AT_ONCE;
    }
    tx.rollback().await?;
    Ok(())
}
