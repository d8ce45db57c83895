//! What a batch says of its records.

use satchel_model::ledger::ChainHash;
use satchel_testkit::Psql;
use serde_json::Value;

/// E: each record that a job changed something by stands under a batch's root. (Not where the shard's first events are forgotten: the
/// roots went with them.)
pub(super) fn each_record_is_under_a_root(owner: &Psql, violations: &mut Vec<String>) {
    let alone = owner.rows(
        "SELECT shard, uid, seq, job_id
         FROM records
         WHERE count > 0 AND job_id IS NOT NULL
           AND EXISTS (SELECT FROM event_batches WHERE event_batches.shard = records.shard AND seq = 1)
           AND NOT EXISTS (
               SELECT FROM event_batches
               WHERE event_batches.shard = records.shard AND recorded_at = records.at AND records.job_id = ANY(job_ids)
           )",
    );
    violations.extend(alone.iter().map(|record| format!("E: no batch has the root of {record}")));
}

/// E: each batch has the root of the tree of the hashes of its jobs' records.
pub(super) fn each_batch_has_its_root(owner: &Psql, violations: &mut Vec<String>) {
    let batches = owner.rows(
        "SELECT shard, seq, encode(root, 'hex') AS root,
                ARRAY(
                    SELECT encode(seal, 'hex')
                    FROM records
                    WHERE records.shard = event_batches.shard AND records.at = recorded_at AND job_id = ANY(job_ids) AND records.count > 0
                ) AS hashes
         FROM event_batches",
    );
    for batch in &batches {
        let hashes = batch["hashes"].as_array().into_iter().flatten().map(hash);
        let root = ChainHash::root_of(hashes).map(|root| hex::encode(root.0));
        if root.as_deref() != batch["root"].as_str() {
            violations.push(format!("E: the root of {batch} should be {root:?}"));
        }
    }
}

fn hash(text: &Value) -> ChainHash {
    let mut hash = [0; 32];
    hex::decode_to_slice(text.as_str().unwrap_or_default(), &mut hash).expect("a hash of 32 bytes");
    ChainHash(hash)
}
