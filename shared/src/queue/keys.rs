//! The names of everything in Redis, one function each. Keys carry their shard as hash tag (Redis Cluster
//! specification, "Hash tags"), so that one shard's keys share a slot.

use crate::domain::{JobId, Shard};
use crate::envelope::ReplicaId;

/// The stream of a shard's waiting jobs: `satchel:{s07}:jobs`.
pub(super) fn jobs(shard: Shard) -> String {
    format!("satchel:{{{shard}}}:jobs")
}

/// A pending job's record: `satchel:{s07}:pending:<job id>`, the shard being the one of the job's id.
pub(super) fn pending(shard: Shard, job_id: JobId) -> String {
    format!("satchel:{{{shard}}}:pending:{job_id}")
}

/// The channel on which an API replica hears outcomes: `satchel:outcomes:<replica>`.
pub(super) fn outcomes(replica: ReplicaId) -> String {
    format!("satchel:outcomes:{replica}")
}
