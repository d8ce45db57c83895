//! B, C and E: what the tables say must fit together. (D is in `events`.)

use std::collections::{BTreeMap, HashMap, HashSet};

use satchel_model::ids::{JobId, Shard, Uid, UserKey};
use satchel_model::ledger::{ChainHash, ChainVerifier, Record, Seal};
use serde_json::Value;

use satchel_testkit::Psql;

/// The tables as they are after a test.
pub(super) struct Facts {
    pub(super) jobs: Vec<Value>,
    pub(super) ledger: BTreeMap<String, Vec<Entry>>,
    /// Each user's records that change something, in order.
    records: BTreeMap<String, Vec<Record>>,
    pub(super) events: Vec<Value>,
    /// How many events each shard counts.
    pub(super) event_counts: BTreeMap<i64, i64>,
    holdings: HashMap<(String, String), i64>,
    versions: HashMap<String, (i64, String)>,
}

/// A change of a holding.
#[derive(Debug)]
pub(super) struct Entry {
    user_id: String,
    pub(super) job_id: String,
    item_id: String,
    delta: i64,
    balance: i64,
    cause: Option<String>,
}

impl Facts {
    pub(super) fn read(owner: &Psql) -> Self {
        // One statement, so one moment.
        let rows = owner.rows(
            "SELECT
                 (SELECT json_agg(row) FROM (
                     SELECT user_id, seq, job_id, item_id, delta, balance, cause
                     FROM ledger ORDER BY user_id, seq) AS row) AS ledger,
                 (SELECT json_agg(row) FROM (
                     SELECT user_id, shard, uid, seq, count, job_id, is_rejected, body, encode(seal, 'hex') AS seal,
                            (extract(epoch FROM at) * 1000000)::bigint AS micros
                     FROM records JOIN user_names USING (shard, uid)
                     WHERE count > 0 ORDER BY user_id, seq) AS row) AS records,
                 (SELECT json_agg(row) FROM (
                     SELECT user_id, job_id, status, result, (extract(epoch FROM applied_at) * 1000000)::bigint AS micros
                     FROM jobs) AS row) AS jobs,
                 (SELECT json_agg(row) FROM (
                     SELECT shard, seq, user_id, name, job_id, id, (extract(epoch FROM at) * 1000000)::bigint AS micros
                     FROM events ORDER BY shard, seq) AS row) AS events,
                 (SELECT json_agg(row) FROM (SELECT shard, events FROM shard_counters) AS row) AS shard_counters,
                 (SELECT json_agg(row) FROM (SELECT user_id, item_id, quantity FROM inventory) AS row) AS inventory,
                 (SELECT json_agg(row) FROM (
                     SELECT user_id, version, encode(hash, 'hex') AS hash
                     FROM users JOIN user_names USING (shard, uid)) AS row) AS users",
        );
        let table = |name: &str| rows[0][name].as_array().into_iter().flatten();
        let mut ledger: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in table("ledger").map(read_entry) {
            ledger.entry(entry.user_id.clone()).or_default().push(entry);
        }
        let mut records: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for row in table("records") {
            records.entry(text(row, "user_id")).or_default().push(read_record(row));
        }
        Self {
            jobs: table("jobs").cloned().collect(),
            events: table("events").cloned().collect(),
            event_counts: table("shard_counters").map(|row| (number(row, "shard"), number(row, "events"))).collect(),
            ledger,
            records,
            holdings: table("inventory")
                .map(|row| ((text(row, "user_id"), text(row, "item_id")), number(row, "quantity")))
                .collect(),
            versions: table("users")
                .map(|row| (text(row, "user_id"), (number(row, "version"), text(row, "hash"))))
                .collect(),
        }
    }

    /// B: a job's ledger entries are exactly what its result says; a rejected job has none. (`retired` jobs are so old
    /// that their results are gone; their entries stay.)
    pub(super) fn each_job_had_its_effect_once(&self, retired: &HashSet<String>, violations: &mut Vec<String>) {
        let mut effects: HashMap<(String, String), Vec<&Entry>> = HashMap::new();
        for entry in self.ledger.values().flatten() {
            effects.entry((entry.user_id.clone(), entry.job_id.clone())).or_default().push(entry);
        }
        let mut seen = HashSet::new();
        for job in &self.jobs {
            let (user_id, job_id) = (text(job, "user_id"), text(job, "job_id"));
            if !seen.insert(job_id.clone()) {
                violations.push(format!("B: the job {job_id} has two results"));
            }
            let entries = effects.remove(&(user_id, job_id.clone())).unwrap_or_default();
            // What a use takes to meet a condition is in the ledger alone: it names the use as its cause.
            let told = entries.iter().filter(|entry| entry.cause.is_none() || entry.delta > 0);
            let mut actual: Vec<_> = told.map(|entry| (entry.item_id.clone(), entry.delta, entry.balance)).collect();
            let mut expected = effects_of(&job["result"]);
            actual.sort();
            expected.sort();
            let rejected_with_effect = job["status"] != "applied" && !entries.is_empty();
            if actual != expected || rejected_with_effect {
                violations.push(format!("B: the job {job} has the ledger entries {entries:?}"));
            }
        }
        effects.retain(|(_, job_id), _| !retired.contains(job_id));
        violations.extend(effects.into_keys().map(|key| format!("B: ledger entries of no job: {key:?}")));
    }

    /// C: every quantity is the sum of its ledger and never was negative, every balance is the sum so far,
    /// and a user's version is the number of its entries.
    pub(super) fn quantities_are_the_sums_of_the_ledger(&self, violations: &mut Vec<String>) {
        let mut sums: HashMap<(String, String), i64> = HashMap::new();
        for entry in self.ledger.values().flatten() {
            let sum = sums.entry((entry.user_id.clone(), entry.item_id.clone())).or_default();
            *sum += entry.delta;
            if *sum != entry.balance || *sum < 0 {
                violations.push(format!("C: the sum so far is {sum} at {entry:?}"));
            }
        }
        for (key, quantity) in &self.holdings {
            let sum = sums.remove(key).unwrap_or(0);
            if *quantity != sum || *quantity < 0 {
                violations.push(format!("C: {key:?} holds {quantity}, its ledger sums up to {sum}"));
            }
        }
        violations.extend(sums.iter().map(|(key, sum)| format!("C: {key:?} should hold {sum} and is missing")));
    }

    /// E: every chain verifies from the first entry to the head that the user's row holds; no gap in it.
    pub(super) fn every_chain_verifies(&self, violations: &mut Vec<String>) {
        for (user_id, (version, head)) in &self.versions {
            let mut verifier = ChainVerifier::default();
            for record in self.records.get(user_id).into_iter().flatten() {
                if let Err(fault) = verifier.follow(record) {
                    violations.push(format!("E: the ledger of {user_id}: {fault}"));
                    break;
                }
            }
            let (seq, hash) = verifier.head();
            if (seq, &hex::encode(hash.0)) != (*version, head) {
                violations.push(format!("E: {user_id} is at {version} {head}, its ledger ends at {seq} {hash:?}"));
            }
        }
        for user in self.records.keys().filter(|user| !self.versions.contains_key(*user)) {
            violations.push(format!("E: {user} has a ledger and no row in users"));
        }
    }
}

/// The (item, delta, balance) that a result tells of.
fn effects_of(result: &Value) -> Vec<(String, i64, i64)> {
    let mut effects = Vec::new();
    let mut tell = |pieces: &Value, sign: i64| {
        let quantity = number(pieces, "quantity");
        if quantity != 0 {
            effects.push((text(pieces, "itemId"), sign * quantity, number(pieces, "balance")));
        }
    };
    result["granted"].as_array().into_iter().flatten().for_each(|granted| tell(granted, 1));
    if result["consumed"].is_object() {
        tell(&result["consumed"], -1);
    }
    let uses = result["effects"].as_array().into_iter().flatten();
    uses.clone().map(|effect| &effect["granted"]).filter(|it| it.is_object()).for_each(|granted| tell(granted, 1));
    let rewards = uses.map(|effect| &effect["emitted"]["rewards"]).chain([&result["rewards"]]);
    let rewards = rewards.filter_map(Value::as_array).flatten();
    rewards.filter_map(|reward| reward["granted"].as_array()).flatten().for_each(|granted| tell(granted, 1));
    effects
}

fn read_entry(row: &Value) -> Entry {
    Entry {
        user_id: text(row, "user_id"),
        job_id: text(row, "job_id"),
        item_id: text(row, "item_id"),
        delta: number(row, "delta"),
        balance: number(row, "balance"),
        cause: row["cause"].as_str().map(ToOwned::to_owned),
    }
}

fn read_record(row: &Value) -> Record {
    let mut hash = [0; 32];
    hex::decode_to_slice(text(row, "seal"), &mut hash).expect("a hash of 32 bytes");
    let shard = number(row, "shard").try_into().expect("a shard's number");
    Record {
        user: UserKey { shard: Shard::new(shard), uid: Uid::new(number(row, "uid")) },
        seq: number(row, "seq"),
        count: number(row, "count").try_into().expect("few changes"),
        job_id: row["job_id"].as_str().map(|id| JobId::parse(id).expect("a stored job id is valid")),
        is_rejected: row["is_rejected"].as_bool().expect("a boolean"),
        at: chrono::DateTime::from_timestamp_micros(number(row, "micros")).expect("a time"),
        body: text(row, "body"),
        seal: Seal::Chained(ChainHash(hash)),
    }
}

pub(super) fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_else(|| panic!("no text {name} in {row}")).to_owned()
}

pub(super) fn number(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_else(|| panic!("no number {name} in {row}"))
}
