//! Jobs to queue.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use satchel_forms::{Node, Pointer};
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::ids::ReplicaId;
use satchel_model::ids::{EventId, IdempotencyKey, JobId, RequestId, Shard, ShardCount, UserId};
use satchel_model::installation::Installation;
use satchel_model::operations::Envelope;
use satchel_model::operations::Priority;
use satchel_model::operations::Submission;
use satchel_queue::{Consumer, Entry, Finished, Queue};
use satchel_wire::envelope::EnvelopeKey;
use satchel_wire::{Fresh, FreshJob};

pub(crate) fn key() -> EnvelopeKey {
    EnvelopeKey::new(&"k".repeat(32).into()).unwrap()
}

pub(crate) fn installation() -> Installation {
    Installation { id: uuid::Uuid::nil(), shards: shards() }
}

pub(crate) fn shards() -> ShardCount {
    ShardCount::new(4).unwrap()
}

pub(crate) fn all() -> Vec<Shard> {
    shards().all().collect()
}

/// Players of one shard.
pub(crate) fn players(count: usize) -> (Shard, Vec<UserId>) {
    let shard = Shard::new(1);
    let users = (0..).map(|number| UserId::parse(&format!("u{number}")).unwrap());
    (shard, users.filter(|user| shards().of_user(user) == shard).take(count).collect())
}

pub(crate) fn normal(user: &UserId) -> Envelope {
    let text = format!(r#"{{"type":"reward_inventory_item","userId":"{user}","items":["key"]}}"#);
    Envelope {
        job_id: JobId::fresh(user),
        job: Submission::parse(Node::parse(text.as_bytes()).unwrap(), Pointer::root()).unwrap().job,
        actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
        request_id: RequestId::random(),
        submitted_at: Utc::now().trunc_subsecs(6),
        reply_to: None,
        journaled: false,
    }
}

/// A job under a key of its caller's.
pub(crate) fn keyed(user: &UserId, key: &str) -> Envelope {
    Envelope { job_id: JobId::of_key("service:game", user, &IdempotencyKey::parse(key).unwrap()), ..normal(user) }
}

/// One that costs another number of things.
pub(crate) fn keyed_otherwise(user: &UserId, key: &str) -> Envelope {
    let mut envelope = keyed(user, key);
    envelope.job.quiet = true;
    envelope
}

/// As an event's: its id leads to no shard, or to another one's.
pub(crate) fn told(user: &UserId) -> Envelope {
    let ids = (0..).map(|number| EventId::parse(&format!("e{number}")).unwrap());
    let mut job_ids = ids.map(|id| JobId::of_event("service:game", &id));
    let job_id = job_ids.find(|id| shards().of_job(*id) != shards().of_user(user)).unwrap();
    Envelope { job_id, ..normal(user) }
}

pub(crate) fn high(user: &UserId) -> Envelope {
    let mut envelope = normal(user);
    envelope.job.priority = Priority::High;
    envelope
}

pub(crate) fn delayed(mut envelope: Envelope, not_before: DateTime<Utc>) -> Envelope {
    envelope.job.not_before = Some(not_before.trunc_subsecs(6));
    envelope
}

pub(crate) fn awaited(mut envelope: Envelope, replica: ReplicaId) -> Envelope {
    envelope.reply_to = Some(replica);
    envelope
}

/// Queues jobs, all of which must be taken; their ids.
pub(crate) async fn enqueue(queue: &Arc<dyn Queue>, envelopes: &[Envelope]) -> Vec<JobId> {
    let results = queue.enqueue(&key(), envelopes).await.unwrap();
    assert_eq!(results.len(), envelopes.len());
    for result in results {
        result.unwrap();
    }
    envelopes.iter().map(|envelope| envelope.job_id).collect()
}

pub(crate) fn opened(entry: &Entry) -> Envelope {
    entry.sealed().unwrap().open(&[key()]).unwrap()
}

pub(crate) fn ids(entries: &[Entry]) -> Vec<JobId> {
    entries.iter().map(|entry| opened(entry).job_id).collect()
}

/// Everything about these entries is done.
pub(crate) async fn finish(consumer: &mut Box<dyn Consumer>, entries: &[Entry]) {
    let finished = Finished {
        entries: entries.iter().map(Entry::reference).collect(),
        job_ids: ids(entries),
        ..Finished::default()
    };
    consumer.finish(&key(), &finished).await.unwrap();
}
