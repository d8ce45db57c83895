//! The contenders' tables: all that the bench asks of them, but for what `seed` writes. All peers have the same ones.

use super::contender::Kind;

/// Queries that have the same columns for everybody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tables {
    /// The name of a table that grows with every decided job.
    pub(crate) growing: &'static str,
    /// A row per decided job: `user_id`, `job_id`, `status`, `applied_at`.
    pub(crate) jobs: &'static str,
    /// A row per change of an item: `user_id`, `n` (rising for each user), `job_id`, `item_id`, `delta`, `balance`.
    pub(crate) entries: &'static str,
    /// What users hold: `user_id`, `item_id`, `quantity`.
    pub(crate) holdings: &'static str,
}

/// Jobs not by the view of that name: so that Postgres leaves names out where nobody asks for them.
const SATCHEL: Tables = Tables {
    growing: "records",
    jobs: "SELECT user_id, job_id, CASE WHEN is_rejected THEN 'rejected' ELSE 'applied' END AS status, at AS applied_at
           FROM records
           LEFT JOIN user_names USING (shard, uid)
           WHERE job_id IS NOT NULL",
    entries: "SELECT user_id, seq AS n, job_id, item_id, delta, balance FROM ledger",
    holdings: "SELECT user_id, item_id, quantity FROM inventory",
};

const PEER: Tables = Tables {
    growing: "jobs",
    jobs: "SELECT user_id, job_id, status, applied_at FROM jobs",
    entries: "SELECT user_id, seq AS n, job_id, item_id, delta, balance FROM ledger",
    holdings: "SELECT user_id, item_id, quantity FROM inventory",
};

impl Kind {
    /// Where it keeps what it has done.
    pub(crate) fn tables(self) -> Tables {
        if self == Self::Satchel { SATCHEL } else { PEER }
    }
}

/// How many jobs Satchel has decided, by its own counters.
pub(crate) const DECIDED: &str = "SELECT sum(applied + rejected) FROM shard_counters";

/// When Satchel applied jobs of each shard: `shard`, `applied_at`.
pub(crate) const APPLIED: &str = "SELECT shard, at AS applied_at FROM records WHERE job_id IS NOT NULL";

/// How many changes Satchel's users have had, by what is kept with the users: `user_id`, `version`.
pub(crate) const VERSIONS: &str = "SELECT user_id, version FROM users JOIN user_names USING (shard, uid)";

/// How many shards Satchel has.
pub(crate) const SHARDS: &str = "SELECT count(*) FROM shard_leases";

/// The newest version of Satchel's catalogue.
pub(crate) const CATALOGUE_VERSION: &str = "SELECT coalesce(max(version), 1) FROM catalogue_versions";

/// Where the ledgers of the users in `bench.players` end, as `check::audit` reads it: of whom, as whom, and the head.
pub(crate) const HEADS: &str = "SELECT shard, uid, user_id, version, encode(hash, 'hex'),
            (extract(epoch FROM decided_at) * 1000000)::bigint, encode(mac, 'hex')
     FROM bench.players
     JOIN user_names USING (user_id)
     JOIN users USING (shard, uid)";

/// Their records that change something, in order, as `check::audit` reads them.
pub(crate) const RECORDS: &str =
    "SELECT shard, uid, seq, count, job_id, is_rejected, (extract(epoch FROM at) * 1000000)::bigint,
            encode(seal, 'hex'), body
     FROM bench.players
     JOIN user_names USING (user_id)
     JOIN records USING (shard, uid)
     WHERE count > 0
     ORDER BY shard, uid, seq";
