//! The ledger, made by the model's own code.

use anyhow::{Context, Result};
use satchel_model::catalogue::ItemQuantity;
use satchel_model::decide::Granted;
use satchel_model::ids::{ItemId, JobId, RequestId, UserKey};
use satchel_model::json::raw;
use satchel_model::ledger::{Head, NewBody, Record, RecordedActor, RecordedChange, Seal, StackChange};
use satchel_model::operations::{Job as Asked, Priority, RewardInventoryItem, RewardResult};
use uuid::Uuid;

use super::people::{Job, People};
use super::rows::{Clock, moment};
use super::tables::{Columns, Line};
use crate::stand::sql::Psql;

/// Who submitted the jobs.
const ACTOR: &str = "service:bench";

/// Copies all records in the order of their time, and returns where each user's ledger ends.
pub(super) fn copy(owner: &Psql, people: &People, users: &[UserKey], catalogue_version: i64) -> Result<Vec<Head>> {
    let columns = Columns::of(
        owner,
        "records",
        &["uid", "seq", "at", "job_id", "shard", "count", "is_rejected", "body", "seal"],
    )?;
    let mut heads = vec![Head::GENESIS; users.len()];
    columns.copy(owner, |line| {
        let mut clock = Clock::default();
        for job in people.all_jobs() {
            let (user, head) = users.get(job.user).zip(heads.get_mut(job.user)).context("a user too many")?;
            let record = follow(head, *user, &job, catalogue_version)?;
            write(line, &record, clock.text(job.at_micros)?)?;
        }
        Ok(())
    })?;
    Ok(heads)
}

/// The record of a job, chained to `head`, which is moved on.
fn follow(head: &mut Head, user: UserKey, job: &Job<'_>, catalogue_version: i64) -> Result<Record> {
    let (at, balance) = (moment(job.at_micros)?, i64::try_from(job.balance())?);
    let item_id = ItemId::parse(job.item())?;
    let granted = Granted { item_id: item_id.clone(), quantity: 1, balance };
    let result = RewardResult { granted: vec![granted], skipped: Vec::new() };
    let changes = [RecordedChange::Stack(StackChange(item_id.clone(), 1, balance, None))];
    let body = NewBody {
        canonical: &asked(job, item_id).canonical(),
        user_id: job.user_id,
        actor: Some(RecordedActor::Named(ACTOR.into())),
        request_id: &RequestId::from(request_id(job)),
        submitted_at: at,
        decided_at: at,
        catalogue_version,
        attempts: 1,
        changes: &changes,
        result: &raw(&result),
    };
    let mut record = Record {
        user,
        seq: head.version + 1,
        count: i16::try_from(changes.len())?,
        job_id: Some(JobId::from(job.id())),
        is_rejected: false,
        at,
        body: body.text(),
        seal: Seal::Chained(head.hash),
    };
    let hash = record.hash(head.hash);
    record.seal = Seal::Chained(hash);
    let version = head.version + i64::from(record.count);
    *head = Head { version, hash, decided_at: Some(at), is_blocked: false };
    Ok(record)
}

/// What was asked: one of an item.
fn asked(job: &Job<'_>, item_id: ItemId) -> Asked {
    let reward = RewardInventoryItem { items: vec![ItemQuantity::from(item_id)] };
    Asked {
        user_id: job.user_id.clone(),
        reason: None,
        priority: Priority::Normal,
        not_before: None,
        quiet: false,
        work: reward.into(),
    }
}

/// The request that submitted a job.
fn request_id(job: &Job<'_>) -> Uuid {
    Uuid::from_u128(job.id().as_u128() ^ u128::from(u16::MAX))
}

fn write(line: &mut Line<'_, '_>, record: &Record, at: &str) -> Result<()> {
    line.put("uid", record.user.uid)?;
    line.put("seq", record.seq)?;
    line.put("at", at)?;
    line.put("job_id", record.job_id.context("a record of no job")?)?;
    line.put("shard", record.user.shard.get())?;
    line.put("count", record.count)?;
    line.put("is_rejected", record.is_rejected)?;
    // Without escapes: nothing in these bodies needs any.
    line.put("body", &record.body)?;
    line.put_bytes("seal", record.seal.as_bytes())?;
    line.end()
}
