//! How often a job allocates memory on its way through the worker: counted, not timed. Where a number here no longer holds,
//! a change has made jobs dearer, or cheaper: either the change has to be put right or, in the same commit, the number.
//! (What a batch costs in Postgres and Redis is counted in `tests/tests/end_to_end/cost.rs`.)

use std::collections::HashMap;

use allocation_counter::measure;
use chrono::DateTime;
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::catalogue::Catalogue;
use satchel_model::decide::ChanceKey;
use satchel_model::facts::{Facts, Holding};
use satchel_model::fold::{Batch, UserState};
use satchel_model::ids::{ItemId, JobId, RequestId, Shard, ShardCount, Uid, UserId, UserKey};
use satchel_model::installation::Installation;
use satchel_model::ledger::{Head, LedgerKey};
use satchel_model::operations::Envelope;
use satchel_model::operations::Submission;
use satchel_queue::{Entry, MemoryStore};
use satchel_wire::Fresh;
use satchel_wire::envelope::EnvelopeKey;

use uuid::Uuid;

use super::decode::{Decoded, Delivery, decode};
use crate::config::EnvelopeKeys;

/// Jobs of a batch, each of a user of its own.
const JOBS: usize = 1_000;

/// A job, and how often it allocates: from the stream's entry to a job that can be trusted; and while it is decided and
/// what is to be written of it is put together.
const EXPECTED: [(&str, usize, usize); 2] = [
    (r#"{"type":"reward_inventory_item","userId":"USER","items":[{"itemId":"arrow","quantity":2}]}"#, 25, 15),
    (r#"{"type":"use_item","userId":"USER","itemId":"arrow"}"#, 21, 14),
];
/// Most allocations beside that for a whole batch: its lists, as they grow.
const MAX_BATCH_ALLOCATIONS: usize = 20;

#[tokio::test]
async fn a_job_is_decoded_and_decided_with_as_many_allocations_as_before() {
    let mut found = Vec::new();
    for (job, ..) in EXPECTED {
        let (opening, deciding) = allocations(job).await;
        found.push((job, for_each(opening), for_each(deciding)));
    }
    assert_eq!(found, EXPECTED);
}

/// Allocations to decode and to decide a batch of [`JOBS`] such jobs.
async fn allocations(job: &str) -> (usize, usize) {
    let shards = ShardCount::new(ShardCount::DEFAULT).unwrap();
    let keys = EnvelopeKeys { current: EnvelopeKey::new(&"k".repeat(32).into()).unwrap(), previous: None };
    let entries = entries(job, &keys.current, shards).await;
    let mut jobs = Decoded::default();
    let decoding = measure(|| jobs = decode(entries, &keys, shards));

    let catalogue = Catalogue::parse(Node::parse(CATALOGUE).unwrap()).unwrap();
    let chance = ChanceKey::new([0; 32]);
    let ledger_key = LedgerKey::new(&[1; 32]).unwrap();
    let mut batch = batch(&catalogue, &chance, &ledger_key);
    let mut outcome = None;
    let folding = measure(|| outcome = Some(batch.decide(jobs.deliveries.iter().map(Delivery::turn))));
    assert_eq!(outcome.unwrap().ledger.len(), JOBS, "every job is applied");
    (decoding.count_total.try_into().unwrap(), folding.count_total.try_into().unwrap())
}

/// Takes what belongs to the batch out.
fn for_each(allocations: usize) -> usize {
    let beside = allocations % JOBS;
    assert!(beside <= MAX_BATCH_ALLOCATIONS, "{allocations} allocations for {JOBS} jobs: {beside} beside");
    allocations / JOBS
}

const CATALOGUE: &[u8] = br#"{"items":{"arrow":{"name":"Arrow","grant":"stack","use":{"consume":1}}}}"#;
fn user_id(number: usize) -> UserId {
    UserId::parse(&format!("player-{number}")).unwrap()
}

fn envelope(job: &str, user: usize) -> Envelope {
    let job = job.replace("USER", user_id(user).as_str());
    Envelope {
        job_id: JobId::from(Uuid::now_v7()),
        job: Submission::parse(Node::parse(job.as_bytes()).unwrap(), Pointer::root()).unwrap().job,
        actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
        request_id: RequestId::random(),
        submitted_at: DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
        reply_to: None,
        journaled: false,
    }
}

/// The batch as it is read from a queue.
async fn entries(job: &str, key: &EnvelopeKey, shards: ShardCount) -> Vec<Entry> {
    let installation = Installation { id: Uuid::nil(), shards };
    let queue = satchel_queue::open(&satchel_queue::Config::Memory(MemoryStore::default()), &installation).unwrap();
    let envelopes: Vec<Envelope> = (0..JOBS).map(|user| envelope(job, user)).collect();
    queue.enqueue(key, &envelopes).await.unwrap();
    let all: Vec<Shard> = shards.all().collect();
    queue.consumer(1).unwrap().read(&all, all.len() * JOBS, 1).await.unwrap()
}

/// Every user has an arrow.
fn batch<'c>(catalogue: &'c Catalogue, chance: &'c ChanceKey, ledger_key: &'c LedgerKey) -> Batch<'c> {
    let users = (0..JOBS).map(|user| {
        let mut facts = Facts::default();
        let holding = Holding { quantity: 1, granted_total: 1, used_total: 0 };
        facts.holdings.put(ItemId::parse("arrow").unwrap(), Some(holding));
        let key = UserKey { shard: Shard::new(0), uid: Uid::new(i64::try_from(user).unwrap()) };
        (user_id(user), UserState::new(key, Head { version: 1, ..Head::GENESIS }, facts))
    });
    Batch {
        decided: HashMap::new(),
        users: users.collect(),
        catalogue,
        catalogue_version: 1,
        chance,
        now: DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
        attempts: 1,
        ledger_key,
    }
}
