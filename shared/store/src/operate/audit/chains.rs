//! The users of a shard, a page at a time: their chains, and what is stored beside these.

use std::collections::BTreeMap;

use chrono::DateTime;
use satchel_model::ids::{JobId, UserKey};
use satchel_model::ledger::{ChainHash, Head, Record, Seal};

use super::copy::{self, Fields};
use super::follow::{Followed, Stored, StoredHead};
use super::report::Subject;
use super::{Audit, Transaction};
use crate::StoreError;
use crate::db::stored::{self, Unreadable};

/// Most users whose heads and holdings are in memory at a time, on each connection.
const PAGE_USERS: i64 = 500;

/// The users of a page: all numbers between two, whether somebody has them or not.
#[derive(Debug, Clone, Copy)]
struct Page {
    shard: i32,
    from: i64,
    /// Included.
    to: i64,
}

type Users = BTreeMap<i64, Stored>;

/// Checks all users of a shard.
pub(super) async fn check(tx: &mut Transaction, shard: i32, audit: &Audit) -> Result<(), StoreError> {
    let mut from = Some(i64::MIN);
    while let Some(first) = from {
        let mut users = Users::new();
        let to = read_heads(tx, shard, first, &mut users).await?;
        let page = Page { shard, from: first, to };
        read_holdings(tx, page, &mut users).await?;
        read_given(tx, page, audit, &mut users).await?;
        follow_records(tx, page, audit, users).await?;
        from = to.checked_add(1);
    }
    Ok(())
}

/// Reads a page of heads: the last number of the page.
async fn read_heads(tx: &mut Transaction, shard: i32, from: i64, users: &mut Users) -> Result<i64, StoreError> {
    let rows = sqlx::query!(
        "SELECT uid, version, hash, decided_at, mac
         FROM users
         WHERE shard = $1 AND uid >= $2
         ORDER BY uid
         LIMIT $3",
        shard,
        from,
        PAGE_USERS,
    )
    .fetch_all(&mut **tx)
    .await?;
    let is_last = i64::try_from(rows.len()).is_ok_and(|count| count < PAGE_USERS);
    let to = rows.last().filter(|_| !is_last).map_or(i64::MAX, |row| row.uid);
    for row in rows {
        let hash = stored::chain_hash(&row.hash)?;
        let head = Head { version: row.version, hash, decided_at: row.decided_at, is_blocked: false };
        users.entry(row.uid).or_default().head = Some(StoredHead { head, mac: row.mac });
    }
    Ok(to)
}

async fn read_holdings(tx: &mut Transaction, page: Page, users: &mut Users) -> Result<(), StoreError> {
    let mut rows = copy::rows(tx, &page.select("uid, item_id, quantity", "holdings", "")).await?;
    while let Some(row) = rows.next().await? {
        let mut fields = row.fields()?;
        let (uid, item_id, quantity) = (fields.int8()?, fields.text()?, fields.int8()?);
        users.entry(uid).or_default().holdings.push((item_id.to_owned(), quantity));
    }
    Ok(())
}

async fn read_given(tx: &mut Transaction, page: Page, audit: &Audit, users: &mut Users) -> Result<(), StoreError> {
    let mut rows = copy::rows(tx, &page.select("uid, rule_id, value", "rule_grants", "")).await?;
    while let Some(row) = rows.next().await? {
        let mut fields = row.fields()?;
        let (uid, rule_id, value) = (fields.int8()?, fields.text()?, fields.text()?);
        audit.hasher.add(&mut users.entry(uid).or_default().given, rule_id, value);
    }
    Ok(())
}

async fn follow_records(tx: &mut Transaction, page: Page, audit: &Audit, mut users: Users) -> Result<(), StoreError> {
    let query = page.select(
        "uid, seq, count, at, job_id, is_rejected, seal, body",
        "records",
        "AND count > 0 ORDER BY uid, seq",
    );
    let mut rows = copy::rows(tx, &query).await?;
    let mut record = blank(stored::user_key(page.shard, page.from)?);
    let mut followed = Followed::default();
    while let Some(row) = rows.next().await? {
        let mut fields = row.fields()?;
        let user = stored::user_key(page.shard, fields.int8()?)?;
        if user != record.user {
            finish(audit, record.user, std::mem::take(&mut followed), users.remove(&record.user.uid.get()));
            record.user = user;
        }
        read_record(&mut record, &mut fields)?;
        followed.follow(&record, &audit.hasher, |fault| audit.tally.add(Subject::User(user), fault));
    }
    finish(audit, record.user, followed, users.remove(&record.user.uid.get()));
    for (uid, stored) in users {
        finish(audit, stored::user_key(page.shard, uid)?, Followed::default(), Some(stored));
    }
    Ok(())
}

fn finish(audit: &Audit, user: UserKey, followed: Followed, stored: Option<Stored>) {
    audit.progress.add(followed.records, followed.changes);
    let tell = |fault| audit.tally.add(Subject::User(user), fault);
    followed.finish(user.uid, &stored.unwrap_or_default(), audit.keys.as_ref(), tell);
}

/// One to be filled with each row in turn, so that none takes memory anew.
fn blank(user: UserKey) -> Record {
    Record {
        user,
        seq: 0,
        count: 0,
        job_id: None,
        is_rejected: false,
        at: DateTime::UNIX_EPOCH,
        body: String::new(),
        seal: Seal::Chained(ChainHash::GENESIS),
    }
}

fn read_record(record: &mut Record, fields: &mut Fields<'_>) -> Result<(), Unreadable> {
    record.seq = fields.int8()?;
    record.count = fields.int2()?;
    record.at = fields.time()?;
    record.job_id = fields.optional_uuid()?.map(JobId::from);
    record.is_rejected = fields.boolean()?;
    record.seal = Seal::Chained(stored::chain_hash(fields.bytes()?)?);
    record.body.clear();
    record.body.push_str(fields.text()?);
    Ok(())
}

impl Page {
    fn select(self, columns: &str, table: &str, rest: &str) -> String {
        let Self { shard, from, to } = self;
        format!("SELECT {columns} FROM {table} WHERE shard = {shard} AND uid >= {from} AND uid <= {to} {rest}")
    }
}
