//! Connections that all see one moment. (Postgres manual, "Snapshot Synchronization Functions".)

use sqlx::AssertSqlSafe;

use super::Transaction;
use crate::{Pool, StoreError};

/// Opens so many transactions.
pub(super) async fn open(pool: &Pool, count: usize) -> Result<Vec<Transaction>, StoreError> {
    let mut first = begin(pool).await?;
    let snapshot = sqlx::query_scalar!(r#"SELECT pg_export_snapshot() AS "snapshot!""#).fetch_one(&mut *first).await?;
    prepare(&mut first).await?;
    let mut open = vec![first];
    while open.len() < count {
        let mut other = begin(pool).await?;
        // It takes no parameter. The name is Postgres's own.
        sqlx::raw_sql(AssertSqlSafe(format!("SET TRANSACTION SNAPSHOT '{snapshot}'"))).execute(&mut *other).await?;
        prepare(&mut other).await?;
        open.push(other);
    }
    Ok(open)
}

async fn begin(pool: &Pool) -> Result<Transaction, StoreError> {
    let mut tx = pool.0.begin().await?;
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *tx).await?;
    Ok(tx)
}

/// These read whole tables, unlike others. (But records in order by their index: a bitmap and a sort take three times as long.)
async fn prepare(tx: &mut Transaction) -> Result<(), StoreError> {
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut **tx).await?;
    sqlx::query!("SET LOCAL idle_in_transaction_session_timeout = 0").execute(&mut **tx).await?;
    sqlx::query!("SET LOCAL enable_seqscan = on").execute(&mut **tx).await?;
    sqlx::query!("SET LOCAL enable_hashjoin = on").execute(&mut **tx).await?;
    sqlx::query!("SET LOCAL enable_mergejoin = on").execute(&mut **tx).await?;
    // There are as many connections as are to work.
    sqlx::query!("SET LOCAL max_parallel_workers_per_gather = 0").execute(&mut **tx).await?;
    Ok(())
}
