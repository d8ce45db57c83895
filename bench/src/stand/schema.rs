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

const SATCHEL: Tables = Tables {
    growing: "jobs",
    jobs: "SELECT user_id, job_id, status, applied_at FROM jobs",
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

/// How many changes Satchel's users have had, by what is kept with the users: `user_id`, `version`.
pub(crate) const VERSIONS: &str = "SELECT user_id, version FROM users";

/// How many shards Satchel has.
pub(crate) const SHARDS: &str = "SELECT count(*) FROM shard_leases";

/// The newest version of Satchel's catalogue.
pub(crate) const CATALOGUE_VERSION: &str = "SELECT coalesce(max(version), 1) FROM catalogue_versions";

/// The chains of the users in `bench.players`, entry by entry, as `check::audit` reads them.
pub(crate) const CHAINS: &str =
    "SELECT user_id, seq, job_id, item_id, delta, balance, type, actor, reason, reason IS NULL, request_id,
            cause, cause IS NULL, catalogue_version, (extract(epoch FROM at) * 1000000)::bigint,
            encode(ledger.hash, 'hex'), version, encode(head, 'hex')
     FROM ledger
     JOIN bench.players USING (user_id)
     JOIN users USING (user_id)
     ORDER BY user_id, seq";
