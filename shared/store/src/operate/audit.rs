//! Proves that what is stored holds together: chains, balances, heads, and parked jobs.

use std::fmt;

use futures_util::TryStreamExt;
use satchel_model::ids::UserId;
use satchel_model::ledger::{ChainFault, ChainVerifier, LedgerEntry};

use crate::reads::ledger::Row;
use crate::{Pool, StoreError};

/// Most findings listed of one audit.
pub const MAX_FINDINGS: usize = 1_000;

/// What an audit saw.
#[derive(Debug, Default)]
pub struct AuditReport {
    /// Ledger entries read.
    pub entries: u64,
    /// What does not hold together, at most [`MAX_FINDINGS`].
    pub findings: Vec<Finding>,
}

/// One thing that does not hold together.
#[derive(Debug)]
pub struct Finding {
    /// Whose.
    pub user_id: String,
    /// What.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {}: {}", self.user_id, self.detail)
    }
}

impl AuditReport {
    fn add(&mut self, user_id: &str, detail: impl fmt::Display) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding { user_id: user_id.to_owned(), detail: detail.to_string() });
        }
    }
}

/// Reads the whole ledger once, in bounded memory, and checks: every hash chain, that each user's head is
/// its chain's end, that every balance is the one before plus the change, that every holding is the sum of its
/// ledger, and that exactly the blocked users have parked jobs: undecided ones, all but the first blocked. It sees one moment, so it may run beside working workers.
///
/// # Errors
/// If Postgres is away.
pub async fn check(pool: &Pool) -> Result<AuditReport, StoreError> {
    let mut report = AuditReport::default();
    let mut tx = pool.0.begin().await?;
    sqlx::query!("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY").execute(&mut *tx).await?;
    sqlx::query!("SET LOCAL statement_timeout = 0").execute(&mut *tx).await?;
    // This one does read whole tables.
    sqlx::query!("SET LOCAL enable_seqscan = on").execute(&mut *tx).await?;
    sqlx::query!("SET LOCAL enable_hashjoin = on").execute(&mut *tx).await?;
    sqlx::query!("SET LOCAL enable_mergejoin = on").execute(&mut *tx).await?;
    check_chains(&mut tx, &mut report).await?;
    check_heads(&mut tx, &mut report).await?;
    check_sums(&mut tx, &mut report).await?;
    check_balances(&mut tx, &mut report).await?;
    check_parked(&mut tx, &mut report).await?;
    tx.commit().await?;
    Ok(report)
}

type Transaction = sqlx::Transaction<'static, sqlx::Postgres>;

async fn check_chains(tx: &mut Transaction, report: &mut AuditReport) -> Result<(), StoreError> {
    let mut rows = sqlx::query_as!(
        Row,
        "SELECT user_id, seq, job_id, item_id, delta, balance, type AS job_type, actor, reason, request_id, cause,
                catalogue_version, at, hash
         FROM ledger
         ORDER BY user_id, seq"
    )
    .fetch(&mut **tx);
    let mut current: Option<(UserId, Result<ChainVerifier, ChainFault>)> = None;
    while let Some(row) = rows.try_next().await? {
        let entry = LedgerEntry::try_from(row)?;
        report.entries += 1;
        let verifier = match &mut current {
            Some((user_id, verifier)) if *user_id == entry.user_id => verifier,
            _ => &mut current.insert((entry.user_id.clone(), Ok(ChainVerifier::default()))).1,
        };
        // One fault a user: after it every later entry is off as well.
        if let Ok(chain) = verifier
            && let Err(fault) = chain.follow(&entry)
        {
            report.add(entry.user_id.as_str(), fault);
            *verifier = Err(fault);
        }
    }
    Ok(())
}

async fn check_heads(tx: &mut Transaction, report: &mut AuditReport) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"WITH last AS (
               SELECT DISTINCT ON (user_id) user_id, seq, hash
               FROM ledger
               ORDER BY user_id, seq DESC
           )
           SELECT COALESCE(users.user_id, last.user_id) AS "user_id!"
           FROM users
           FULL JOIN last USING (user_id)
           WHERE users.version IS DISTINCT FROM COALESCE(last.seq, 0)
              OR (last.seq IS NOT NULL AND users.head IS DISTINCT FROM last.hash)
           LIMIT $1"#,
        i64::try_from(MAX_FINDINGS).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        report.add(&row.user_id, "the head is not the end of the ledger");
    }
    Ok(())
}

async fn check_sums(tx: &mut Transaction, report: &mut AuditReport) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"WITH sums AS (
               SELECT user_id, item_id, sum(delta)::bigint AS quantity
               FROM ledger
               GROUP BY user_id, item_id
           )
           SELECT COALESCE(inventory.user_id, sums.user_id) AS "user_id!",
                  COALESCE(inventory.item_id, sums.item_id) AS "item_id!",
                  inventory.quantity AS "held?", sums.quantity AS "summed?"
           FROM inventory
           FULL JOIN sums USING (user_id, item_id)
           WHERE COALESCE(inventory.quantity, 0) <> COALESCE(sums.quantity, 0)
           LIMIT $1"#,
        i64::try_from(MAX_FINDINGS).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let (held, summed) = (row.held.unwrap_or(0), row.summed.unwrap_or(0));
        report.add(&row.user_id, format!("{held} of {} held, but the ledger sums to {summed}", row.item_id));
    }
    Ok(())
}

async fn check_balances(tx: &mut Transaction, report: &mut AuditReport) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"SELECT user_id, seq
           FROM (
               SELECT user_id, seq, balance,
                      sum(delta) OVER (PARTITION BY user_id, item_id ORDER BY seq) AS summed
               FROM ledger
           ) AS running
           WHERE balance <> summed
           LIMIT $1"#,
        i64::try_from(MAX_FINDINGS).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        report.add(&row.user_id, format!("entry {} has a balance that is not the sum up to it", row.seq));
    }
    Ok(())
}

async fn check_parked(tx: &mut Transaction, report: &mut AuditReport) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"WITH placed AS (
               SELECT user_id, job_id, state, row_number() OVER (PARTITION BY user_id ORDER BY position) AS place
               FROM parked_jobs
           ), parked AS (
               SELECT placed.user_id,
                      bool_and((place = 1) = (state <> 'blocked')) AS is_in_order,
                      bool_or(jobs.job_id IS NOT NULL) AS is_decided
               FROM placed
               LEFT JOIN jobs ON jobs.user_id = placed.user_id AND jobs.job_id = placed.job_id
               GROUP BY placed.user_id
           )
           SELECT COALESCE(users.user_id, parked.user_id) AS "user_id!", COALESCE(is_blocked, false) AS "is_blocked!",
                  COALESCE(is_in_order, true) AS "is_in_order!", COALESCE(is_decided, false) AS "is_decided!"
           FROM users
           FULL JOIN parked USING (user_id)
           WHERE is_blocked IS DISTINCT FROM (parked.user_id IS NOT NULL) OR NOT is_in_order OR is_decided
           LIMIT $1"#,
        i64::try_from(MAX_FINDINGS).unwrap_or(i64::MAX),
    )
    .fetch_all(&mut **tx)
    .await?;
    for row in rows {
        let (blocked, in_order, decided) = (row.is_blocked, row.is_in_order, row.is_decided);
        report.add(
            &row.user_id,
            format!("parked jobs do not hold together (blocked: {blocked}, in order: {in_order}, decided: {decided})"),
        );
    }
    Ok(())
}
