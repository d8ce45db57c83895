//! B, C and E: what the tables say must fit together. (D is in `events`.)

use std::collections::{BTreeMap, HashMap, HashSet};

use satchel_model::ids::{ItemId, JobId, UserId};
use satchel_model::ledger::{ChainHash, ChainVerifier, LedgerEntry};
use serde_json::Value;

use satchel_testkit::Psql;

/// The tables as they are after a test.
pub(super) struct Facts {
    pub(super) jobs: Vec<Value>,
    pub(super) ledger: BTreeMap<UserId, Vec<LedgerEntry>>,
    pub(super) events: Vec<Value>,
    /// How many events each shard counts.
    pub(super) event_counts: BTreeMap<i64, i64>,
    holdings: HashMap<(String, String), i64>,
    versions: HashMap<String, (i64, String)>,
}

impl Facts {
    pub(super) fn read(owner: &Psql) -> Self {
        // One statement, so one moment.
        let rows = owner.rows(
            "SELECT
                 (SELECT json_agg(row) FROM (
                     SELECT user_id, seq, job_id, item_id, delta, balance, type, actor, reason, request_id, cause,
                            catalogue_version, (extract(epoch FROM at) * 1000000)::bigint AS micros,
                            encode(hash, 'hex') AS hash
                     FROM ledger ORDER BY user_id, seq) AS row) AS ledger,
                 (SELECT json_agg(row) FROM (
                     SELECT user_id, job_id, status, result, (extract(epoch FROM applied_at) * 1000000)::bigint AS micros
                     FROM jobs) AS row) AS jobs,
                 (SELECT json_agg(row) FROM (
                     SELECT shard, seq, user_id, name, job_id, id, (extract(epoch FROM at) * 1000000)::bigint AS micros
                     FROM events ORDER BY shard, seq) AS row) AS events,
                 (SELECT json_agg(row) FROM (SELECT shard, events FROM shard_counters) AS row) AS shard_counters,
                 (SELECT json_agg(row) FROM (SELECT user_id, item_id, quantity FROM inventory) AS row) AS inventory,
                 (SELECT json_agg(row) FROM (
                     SELECT user_id, version, encode(head, 'hex') AS head FROM users) AS row) AS users",
        );
        let table = |name: &str| rows[0][name].as_array().into_iter().flatten();
        let mut ledger: BTreeMap<UserId, Vec<LedgerEntry>> = BTreeMap::new();
        for entry in table("ledger").map(read_entry) {
            ledger.entry(entry.user_id.clone()).or_default().push(entry);
        }
        Self {
            jobs: table("jobs").cloned().collect(),
            events: table("events").cloned().collect(),
            event_counts: table("shard_counters").map(|row| (number(row, "shard"), number(row, "events"))).collect(),
            ledger,
            holdings: table("inventory")
                .map(|row| ((text(row, "user_id"), text(row, "item_id")), number(row, "quantity")))
                .collect(),
            versions: table("users")
                .map(|row| (text(row, "user_id"), (number(row, "version"), text(row, "head"))))
                .collect(),
        }
    }

    /// B: a job's ledger entries are exactly what its result says; a rejected job has none. (`retired` jobs are so old
    /// that their results are gone; their entries stay.)
    pub(super) fn each_job_had_its_effect_once(&self, retired: &HashSet<String>, violations: &mut Vec<String>) {
        let mut effects: HashMap<(String, String), Vec<&LedgerEntry>> = HashMap::new();
        for entry in self.ledger.values().flatten() {
            effects.entry((entry.user_id.to_string(), entry.job_id.to_string())).or_default().push(entry);
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
            let mut actual: Vec<_> =
                told.map(|entry| (entry.item_id.to_string(), entry.delta, entry.balance)).collect();
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
            let sum = sums.entry((entry.user_id.to_string(), entry.item_id.to_string())).or_default();
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
            let user = UserId::parse(user_id).expect("a stored user id is valid");
            for entry in self.ledger.get(&user).into_iter().flatten() {
                if let Err(fault) = verifier.follow(entry) {
                    violations.push(format!("E: the ledger of {user_id}: {fault}"));
                    break;
                }
            }
            let (seq, hash) = verifier.head();
            if (seq, &hex::encode(hash.0)) != (*version, head) {
                violations.push(format!("E: {user_id} is at {version} {head}, its ledger ends at {seq} {hash:?}"));
            }
        }
        for user in self.ledger.keys().filter(|user| !self.versions.contains_key(user.as_str())) {
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

fn read_entry(row: &Value) -> LedgerEntry {
    let optional = |name: &str| row[name].as_str().map(ToOwned::to_owned);
    let mut hash = [0; 32];
    hex::decode_to_slice(text(row, "hash"), &mut hash).expect("a hash of 32 bytes");
    LedgerEntry {
        user_id: UserId::parse(&text(row, "user_id")).expect("a stored user id is valid"),
        seq: number(row, "seq"),
        at: chrono::DateTime::from_timestamp_micros(number(row, "micros")).expect("a time"),
        job_id: JobId::parse(&text(row, "job_id")).expect("a stored job id is valid"),
        job_type: text(row, "type").into(),
        item_id: ItemId::parse(&text(row, "item_id")).expect("a stored item id is valid"),
        delta: number(row, "delta"),
        balance: number(row, "balance"),
        actor: text(row, "actor"),
        reason: optional("reason"),
        request_id: text(row, "request_id"),
        cause: optional("cause"),
        catalogue_version: number(row, "catalogue_version"),
        hash: ChainHash(hash),
    }
}

pub(super) fn text(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_else(|| panic!("no text {name} in {row}")).to_owned()
}

pub(super) fn number(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_else(|| panic!("no number {name} in {row}"))
}
