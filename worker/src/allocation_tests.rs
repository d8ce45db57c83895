//! How often a job asks for memory on its way through the worker: counted, not timed. If a number here no longer holds, a
//! change has made jobs dearer, or cheaper: put right the change, or the number.

use std::collections::HashMap;

use allocation_counter::measure;
use chrono::DateTime;
use satchel_shared::domain::catalogue::Catalogue;
use satchel_shared::domain::{
    Actor, Holding, Holdings, ItemId, JobId, RequestId, Role, Scopes, Shard, ShardCount, UserId,
};
use satchel_shared::envelope::{Envelope, EnvelopeKey};
use satchel_shared::jobs::Submission;
use satchel_shared::json::{Node, Pointer};
use satchel_shared::queue::{self, Entry, MemoryStore};
use satchel_shared::store::users::Head;

use crate::config::EnvelopeKeys;
use crate::decode::{Decoded, Delivery, decode};
use crate::world::{User, World};

/// Jobs of a batch, each of a user of its own.
const JOBS: usize = 1_000;

/// A job, and how often it allocates: from the stream's entry to a job that can be trusted; and while it is decided and
/// what is to be written of it is put together.
const EXPECTED: [(&str, u64, u64); 2] = [
    (r#"{"type":"reward_inventory_item","userId":"USER","items":[{"itemId":"arrow","quantity":2}]}"#, 70, 13),
    (r#"{"type":"use_item","userId":"USER","itemId":"arrow"}"#, 57, 12),
];
/// Beside that, for the whole batch: lists that grow with it.
const BATCH_ALLOCATIONS: u64 = 20;

#[tokio::test]
async fn a_job_is_decoded_and_decided_with_as_many_allocations_as_before() {
    let shards = ShardCount::new(ShardCount::DEFAULT).unwrap();
    let keys = EnvelopeKeys { current: EnvelopeKey::new(&"k".repeat(32).into()).unwrap(), previous: None };
    let catalogue = Catalogue::parse(Node::parse(CATALOGUE).unwrap()).unwrap();
    for (job, to_decode, to_decide) in EXPECTED {
        let entries = entries(job, &keys.current, shards).await;
        let mut decoded = Decoded::default();
        let decoding = measure(|| decoded = decode(entries, &keys, shards));

        let mut world = world(&catalogue);
        let batch: Vec<&Delivery> = decoded.deliveries.iter().collect();
        let mut decided = None;
        let deciding = measure(|| decided = Some(world.decide(&batch)));
        assert_eq!(decided.unwrap().entries.len(), JOBS, "every job is applied");

        assert_allocations(&format!("decode {job}"), decoding.count_total, to_decode);
        assert_allocations(&format!("decide {job}"), deciding.count_total, to_decide);
    }
}

#[track_caller]
fn assert_allocations(what: &str, found: u64, for_each: u64) {
    let least = for_each * JOBS as u64;
    assert!(
        (least..=least + BATCH_ALLOCATIONS).contains(&found),
        "{found} allocations to {what}, {JOBS} times, instead of {for_each} each and at most {BATCH_ALLOCATIONS} beside"
    );
}

const CATALOGUE: &[u8] = br#"{"items":{"arrow":{"name":"Arrow","grant":"stack","use":{"consume":1}}}}"#;
fn user_id(number: usize) -> UserId {
    UserId::parse(&format!("player-{number}")).unwrap()
}

fn envelope(job: &str, user: usize) -> Envelope {
    let job = job.replace("USER", user_id(user).as_str());
    Envelope {
        job_id: JobId::random(),
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
    let queue = queue::open(&queue::Config::Memory(MemoryStore::default()), shards).unwrap();
    let envelopes: Vec<Envelope> = (0..JOBS).map(|user| envelope(job, user)).collect();
    queue.enqueue(key, &envelopes).await.unwrap();
    let all: Vec<Shard> = shards.all().collect();
    queue.consumer(1).unwrap().read(&all, all.len() * JOBS, 1).await.unwrap()
}

/// Every user has an arrow.
fn world(catalogue: &Catalogue) -> World<'_> {
    let users = (0..JOBS).map(|user| {
        let mut holdings = Holdings::default();
        let holding = Holding { quantity: 1, granted_total: 1, used_total: 0 };
        holdings.insert(ItemId::parse("arrow").unwrap(), holding);
        (user_id(user), User::new(Head { version: 1, ..Head::GENESIS }, holdings))
    });
    World {
        decided: HashMap::new(),
        users: users.collect(),
        catalogue,
        catalogue_version: 1,
        now: DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
        attempts: 1,
    }
}
