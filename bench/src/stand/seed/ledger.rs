//! The ledger, chained by the domain's own code.

use anyhow::{Context, Result};
use satchel_model::ids::{ItemId, JobId};
use satchel_model::ledger::{ChainHash, LedgerEntry};

use super::people::{Job, People};
use super::rows::{ACTOR, Clock, TYPE, moment, request_id};
use super::tables::{Columns, Line};
use crate::stand::sql::Psql;

/// Copies all entries in the order of their time, and returns where each user's chain ends.
pub(super) fn copy(owner: &Psql, people: &People, catalogue_version: i64) -> Result<Vec<ChainHash>> {
    let columns = Columns::of(
        owner,
        "ledger",
        &[
            "user_id",
            "seq",
            "job_id",
            "item_id",
            "delta",
            "balance",
            "type",
            "actor",
            "request_id",
            "catalogue_version",
            "at",
            "hash",
        ],
    )?;
    let mut heads = vec![ChainHash::GENESIS; people.ids().len()];
    columns.copy(owner, |line| {
        let mut clock = Clock::default();
        for job in people.all_jobs() {
            let head = heads.get_mut(job.user).context("a user too many")?;
            let mut entry = entry_of(&job, catalogue_version)?;
            let at = clock.text(job.at_micros)?;
            entry.hash = entry.chain(*head);
            *head = entry.hash;
            write(line, &entry, at)?;
        }
        Ok(())
    })?;
    Ok(heads)
}

/// The entry of a job, not yet chained.
fn entry_of(job: &Job<'_>, catalogue_version: i64) -> Result<LedgerEntry> {
    Ok(LedgerEntry {
        user_id: job.user_id.clone(),
        seq: i64::try_from(job.nth + 1)?,
        at: moment(job.at_micros)?,
        job_id: JobId::from(job.id()),
        job_type: TYPE.into(),
        item_id: ItemId::parse(job.item())?,
        delta: 1,
        balance: i64::try_from(job.balance())?,
        actor: ACTOR.to_owned(),
        reason: None,
        request_id: request_id(job).to_string(),
        cause: None,
        catalogue_version,
        hash: ChainHash::GENESIS,
    })
}

fn write(line: &mut Line<'_, '_>, entry: &LedgerEntry, at: &str) -> Result<()> {
    line.put("user_id", &entry.user_id)?;
    line.put("seq", entry.seq)?;
    line.put("job_id", entry.job_id)?;
    line.put("item_id", &entry.item_id)?;
    line.put("delta", entry.delta)?;
    line.put("balance", entry.balance)?;
    line.put("type", &entry.job_type)?;
    line.put("actor", &entry.actor)?;
    line.put("request_id", &entry.request_id)?;
    line.put("catalogue_version", entry.catalogue_version)?;
    line.put("at", at)?;
    line.put_bytes("hash", &entry.hash.0)?;
    line.end()
}
