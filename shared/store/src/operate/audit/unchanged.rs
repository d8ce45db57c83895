//! Records that change nothing, which stand in no chain: each is signed for itself or, where nobody decided the job, told of elsewhere.

use satchel_model::ids::JobId;
use satchel_model::ledger::{ChainHash, Record, Seal};

use super::copy;
use super::report::Subject;
use super::{Audit, Transaction};
use crate::StoreError;
use crate::db::stored;

/// How often progress is told, in records.
const TOLD_EVERY: u64 = 1_000;

/// Checks those of one half of the index `records_passing`. (An equation with a constant would be taken apart, and the index not be
/// found.)
pub(super) async fn check(tx: &mut Transaction, is_keyless: bool, audit: &Audit) -> Result<(), StoreError> {
    let query = format!(
        "SELECT shard, uid, seq, at, job_id, is_rejected, seal, body,
                CASE WHEN seal IS NULL
                     THEN EXISTS (SELECT FROM archived_jobs WHERE archived_jobs.job_id = records.job_id)
                          OR EXISTS (SELECT FROM withdrawals WHERE withdrawals.job_id = records.job_id)
                     ELSE true
                END
         FROM records
         WHERE count = 0 AND (is_rejected AND substr(job_id::text, 15, 1) = '7') = ANY ('{{{is_keyless}}}'::boolean[])"
    );
    let mut rows = copy::rows(tx, &query).await?;
    let mut untold = 0;
    while let Some(row) = rows.next().await? {
        let mut fields = row.fields()?;
        let user = stored::user_key(fields.int4()?, fields.int8()?)?;
        let mut record = Record {
            user,
            seq: fields.int8()?,
            count: 0,
            at: fields.time()?,
            job_id: fields.optional_uuid()?.map(JobId::from),
            is_rejected: fields.boolean()?,
            body: String::new(),
            seal: Seal::Chained(ChainHash::GENESIS),
        };
        let mac = fields.optional()?;
        fields.text()?.clone_into(&mut record.body);
        if let Some(fault) = fault(&record, mac, fields.boolean()?, audit) {
            let job = record.job_id.map(|job_id| job_id.to_string()).unwrap_or_default();
            audit.tally.add(Subject::User(user), format!("the record of job {job}: {fault}"));
        }
        untold += 1;
        if untold == TOLD_EVERY {
            audit.progress.add(std::mem::take(&mut untold), 0);
        }
    }
    audit.progress.add(untold, 0);
    Ok(())
}

fn fault(record: &Record, mac: Option<&[u8]>, is_told_of: bool, audit: &Audit) -> Option<String> {
    match mac {
        None => (!is_told_of).then(|| "it has no seal, and no archive and no withdrawal tells of it".to_owned()),
        Some(mac) => Some(audit.keys.as_ref()?.check_record(record, mac).err()?.to_string()),
    }
}
