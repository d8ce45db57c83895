//! The names of everything in Redis, one function each. Keys carry their shard as hash tag (Redis Cluster
//! specification, "Hash tags"), so that one shard's keys share a slot.

use crate::domain::{JobId, Priority, Shard};
use crate::envelope::ReplicaId;

/// The stream of a shard's waiting jobs of one class: `satchel:{s07}:jobs`, `satchel:{s07}:high`.
pub(super) fn stream(shard: Shard, class: Priority) -> String {
    match class {
        Priority::Normal => format!("satchel:{{{shard}}}:jobs"),
        Priority::High => format!("satchel:{{{shard}}}:high"),
    }
}

/// A shard's delayed jobs, a sorted set by the time when they are due: `satchel:{s07}:delayed`.
pub(super) fn delayed(shard: Shard) -> String {
    format!("satchel:{{{shard}}}:delayed")
}

/// What its delayed jobs are, a hash by job id: `satchel:{s07}:delayed:jobs`.
pub(super) fn delayed_jobs(shard: Shard) -> String {
    format!("satchel:{{{shard}}}:delayed:jobs")
}

/// A pending job's record: `satchel:{s07}:pending:<job id>`, the shard being the one of the job's id.
pub(super) fn pending(shard: Shard, job_id: JobId) -> String {
    format!("satchel:{{{shard}}}:pending:{job_id}")
}

/// The channel on which an API replica hears outcomes: `satchel:outcomes:<replica>`.
pub(super) fn outcomes(replica: ReplicaId) -> String {
    format!("satchel:outcomes:{replica}")
}
