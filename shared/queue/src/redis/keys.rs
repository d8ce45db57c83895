//! The names of everything in Redis, one function each. Keys carry their shard as hash tag (Redis Cluster
//! specification, "Hash tags"), so that one shard's keys share a slot.

use std::fmt::Write as _;

use uuid::Uuid;

use satchel_model::ids::ReplicaId;
use satchel_model::ids::{JobId, Shard};
use satchel_model::operations::Priority;

/// The stream of a shard's waiting jobs of one class: `satchel:{s07}:jobs`, `satchel:{s07}:high`.
pub(super) fn stream(shard: Shard, class: Priority) -> String {
    match class {
        Priority::Normal => of_shard(shard, "jobs"),
        Priority::High => of_shard(shard, "high"),
    }
}

/// A shard's delayed jobs, a sorted set by the time when they are due: `satchel:{s07}:delayed`.
pub(super) fn delayed(shard: Shard) -> String {
    of_shard(shard, "delayed")
}

/// What its delayed jobs are, a hash by job id: `satchel:{s07}:delayed:jobs`.
pub(super) fn delayed_jobs(shard: Shard) -> String {
    of_shard(shard, "delayed:jobs")
}

/// What is written to see whether Redis takes writes: `satchel:{s07}:probe`.
pub(super) fn probe(shard: Shard) -> String {
    of_shard(shard, "probe")
}

/// What the shard has had at least, a hash: `satchel:{s07}:watermark`.
pub(super) fn watermark(shard: Shard) -> String {
    of_shard(shard, "watermark")
}

/// Which installation the queue is of: `satchel:{s00}:installation`.
pub(super) fn installation() -> String {
    of_shard(Shard::new(0), "installation")
}

/// A pending job's record: `satchel:{s07}:pending:<job id>`, the shard being the one of the job's id.
pub(super) fn pending(shard: Shard, job_id: JobId) -> String {
    let mut key = of_shard(shard, "pending:");
    key.push_str(job_id.as_uuid().hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    key
}

/// The channel on which an API replica hears outcomes: `satchel:outcomes:<replica>`.
pub(super) fn outcomes(replica: ReplicaId) -> String {
    format!("satchel:outcomes:{replica}")
}

/// A write that changes nothing, on a key that there never is. A replica refuses it.
pub(super) fn harmless_write() -> redis::Cmd {
    let mut command = redis::cmd("ZREM");
    command.arg("satchel:{s00}:nothing").arg("nobody");
    command
}

/// The longest key of a shard: of a pending job, with a shard of five digits.
const MAX_KEY_BYTES: usize = "satchel:{s00000}:pending:".len() + uuid::fmt::Hyphenated::LENGTH;

/// `satchel:{s07}:…`. Several are made for each job, so each is one allocation.
fn of_shard(shard: Shard, rest: &str) -> String {
    let mut key = String::with_capacity(MAX_KEY_BYTES);
    // Writing to a string cannot fail.
    let _ = write!(key, "satchel:{{{shard}}}:{rest}");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_shard_as_the_shard_names_itself() {
        for number in [0, 7, 10, 63, 100, 999, 1_000, 4_095, 10_000, u16::MAX] {
            let shard = Shard::new(number);
            assert_eq!(stream(shard, Priority::High), format!("satchel:{{{shard}}}:high"));
            let job_id = JobId::from(Uuid::now_v7());
            let key = pending(shard, job_id);
            assert_eq!(key, format!("satchel:{{{shard}}}:pending:{job_id}"));
            assert!(key.len() <= MAX_KEY_BYTES);
        }
    }
}
