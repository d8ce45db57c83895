//! A change of a holding, as histories show it.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{Body, BodyError, ChainHash, RecordedChange, StackChange};
use crate::ids::{ItemId, JobId, UserId};

/// One change of one holding, and who, why and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// The user's changes are numbered from 1 without gaps; those of other things than holdings are not shown here.
    pub seq: i64,
    /// When it was applied, by the database's clock, to the microsecond.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub at: DateTime<Utc>,
    /// The job that did it.
    pub job_id: JobId,
    /// The job's type.
    #[serde(rename = "type")]
    pub job_type: String,
    /// What changed.
    pub item_id: ItemId,
    /// By how many pieces.
    pub delta: i64,
    /// Pieces after it.
    pub balance: i64,
    /// Who submitted the job: `role:subject`.
    pub actor: String,
    /// Why, in the submitter's words.
    pub reason: Option<String>,
    /// The HTTP request that submitted it.
    pub request_id: String,
    /// What brought it about, when that is not the job itself.
    pub cause: Option<String>,
    /// The catalogue that it was decided by.
    pub catalogue_version: i64,
    /// The hash of the record that it is in.
    pub hash: ChainHash,
}

/// A record, as entries are made of it.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// Whose.
    pub user_id: &'a UserId,
    /// The number of its first change.
    pub seq: i64,
    /// The job, in the record of the user that the job names.
    pub job_id: Option<JobId>,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What it says.
    pub body: &'a str,
    /// Its hash.
    pub hash: ChainHash,
}

impl LedgerEntry {
    /// The changes of holdings in a record, in order.
    ///
    /// # Errors
    /// If its body cannot be read.
    pub fn of_record(record: Recorded<'_>) -> Result<Vec<Self>, BodyError> {
        let body = Body::parse(record.body)?;
        let job = body.job_part()?;
        let entry = |(seq, change): (i64, &RecordedChange)| {
            let RecordedChange::Stack(StackChange(item_id, delta, balance, cause)) = change else { return None };
            Some(Self {
                seq,
                at: record.at,
                job_id: record.job_id.or(body.job_id)?,
                job_type: job.job_type.clone().into_owned(),
                item_id: item_id.clone(),
                delta: *delta,
                balance: *balance,
                actor: body.actor_of(record.user_id),
                reason: job.reason.clone().map(Into::into),
                request_id: body.request_id.clone().into_owned(),
                cause: cause.clone(),
                catalogue_version: body.catalogue,
                hash: record.hash,
            })
        };
        Ok((record.seq..).zip(&body.changes).filter_map(entry).collect())
    }
}
