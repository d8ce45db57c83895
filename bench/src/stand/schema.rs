//! Where contenders keep the jobs that they have decided.

use super::contender::Kind;

/// What is asked in the same way of everybody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tables {
    /// The name of a table that grows with every decided job.
    pub(crate) growing: &'static str,
    /// A query with a row per decided job: `user_id`, `job_id`, `status`, `applied_at`.
    pub(crate) jobs: &'static str,
}

/// Not by the view `jobs`: names are joined so that Postgres leaves them out where nobody asks for them.
const SATCHEL: Tables = Tables {
    growing: "records",
    jobs: "SELECT user_id, job_id, CASE WHEN is_rejected THEN 'rejected' ELSE 'applied' END AS status, at AS applied_at
           FROM records
           LEFT JOIN user_names USING (shard, uid)
           WHERE job_id IS NOT NULL",
};

const PEER: Tables = Tables { growing: "jobs", jobs: "SELECT user_id, job_id, status, applied_at FROM jobs" };

impl Kind {
    /// Where it keeps what it has done.
    pub(crate) fn tables(self) -> Tables {
        if self == Self::Satchel { SATCHEL } else { PEER }
    }
}
