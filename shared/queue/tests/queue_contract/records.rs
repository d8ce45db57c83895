//! Pending records, claims and outcomes.

use std::collections::BTreeMap;
use std::sync::Arc;

use satchel_forms::{Node, Pointer};
use satchel_model::ids::ReplicaId;
use satchel_model::ids::{IdempotencyKey, JobId};
use satchel_model::json::raw;
use satchel_model::operations::Envelope;
use satchel_model::operations::SendEvent;
use satchel_queue::{Claim, Finished, Outcome, Pending, Queue, Sought};
use satchel_wire::Fresh;
use satchel_wire::envelope::EnvelopeKey;
use tokio::sync::mpsc;

use crate::submit::{all, awaited, enqueue, finish, high, key, normal, players};

const BLOCK_MS: u32 = 20_000;

pub(crate) async fn a_key_is_claimed_once(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let mut job = normal(&users[0]);
    // Only such ids are claimed.
    job.job_id = JobId::of_key("service:game", &users[0], &IdempotencyKey::parse("k").unwrap());
    let mut other = high(&users[0]);
    other.job_id = job.job_id;
    let (same, other) = (Pending::of(&job), Pending::of(&other));
    let third = Pending::of(&normal(&users[0]));
    let claims = queue.claim(&[same.clone(), third.clone()]).await.unwrap();
    assert_eq!(claims, [Claim::New, Claim::New]);
    assert_eq!(queue.claim(&[other.clone(), same.clone()]).await.unwrap(), [Claim::Other, Claim::Same]);
    // A claim alone is no queued job.
    assert_eq!(queue.look(&[same.clone(), other.clone()]).await.unwrap(), [Claim::New, Claim::New]);
    assert_eq!(queue.pending(job.job_id).await.unwrap(), None);
    queue.forget(&[job.job_id, third.job_id]).await.unwrap();
    let other_again = other.clone();
    assert_eq!(queue.claim(&[other]).await.unwrap(), [Claim::New]);
    queue.forget(&[job.job_id]).await.unwrap();
    assert_eq!(queue.look(std::slice::from_ref(&same)).await.unwrap(), [Claim::New]);
    enqueue(&queue, std::slice::from_ref(&job)).await;
    // Looking claims nothing.
    let queued = Claim::Queued { submitted_at: job.submitted_at };
    assert_eq!(queue.look(&[same, other_again, third]).await.unwrap(), [queued, Claim::Other, Claim::New]);
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    finish(&mut consumer, &entries).await;
    assert!(queue.claim(&[]).await.unwrap().is_empty());
}

pub(crate) async fn a_queued_job_is_known_until_it_is_decided(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let job = normal(&users[0]);
    let mut journaled = normal(&users[0]);
    journaled.journaled = true;
    queue.claim(&[Pending::of(&job)]).await.unwrap();
    enqueue(&queue, &[job.clone(), journaled.clone()]).await;
    let known = queue.pending(job.job_id).await.unwrap().unwrap();
    assert_eq!((known.job_id, &known.user_id, known.submitted_at), (job.job_id, &users[0], job.submitted_at));
    let queued = Claim::Queued { submitted_at: job.submitted_at };
    assert_eq!(queue.claim(&[Pending::of(&job)]).await.unwrap(), [queued]);
    // Postgres has it: it is asked about there.
    assert_eq!(queue.pending(journaled.job_id).await.unwrap(), None);
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(entries.len(), 2);
    finish(&mut consumer, &entries).await;
    assert_eq!(queue.pending(job.job_id).await.unwrap(), None);
}

pub(crate) async fn a_job_waits_as_long_as_an_entry_of_it_is_there(queue: Arc<dyn Queue>) {
    let (_, users) = players(2);
    let sought = |envelope: &Envelope| Sought {
        job_id: envelope.job_id,
        user_id: envelope.job.user_id.clone(),
        queued_at: envelope.submitted_at,
    };
    let (job, urgent, absent) = (normal(&users[0]), high(&users[1]), normal(&users[0]));
    // Its own id is not the one that it names in passing.
    let mut naming = normal(&users[0]);
    let text = format!(r#"{{"id":"e","name":"a/b","userId":"{}","data":{{"jobId":"{}"}}}}"#, users[0], absent.job_id);
    naming.job = SendEvent::parse_event(Node::parse(text.as_bytes()).unwrap(), Pointer::root()).unwrap();
    enqueue(&queue, &[job.clone(), urgent.clone(), naming.clone()]).await;
    let all_sought = [sought(&job), sought(&urgent), sought(&absent), sought(&naming)];
    assert_eq!(queue.waits(&all_sought).await.unwrap(), [true, true, false, true]);
    assert!(queue.waits(&[]).await.unwrap().is_empty());
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    finish(&mut consumer, &entries).await;
    assert_eq!(queue.waits(&all_sought).await.unwrap(), [false; 4]);
}

pub(crate) async fn outcomes_are_told_to_who_waits(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let replica = ReplicaId::random();
    let job = awaited(normal(&users[0]), replica);
    let (sender, mut heard) = mpsc::unbounded_channel();
    let listening = tokio::spawn({
        let queue = queue.clone();
        async move {
            let deliver = move |outcome: Outcome| sender.send(outcome.job_id).unwrap_or_default();
            queue.listen(&key(), replica, &deliver).await
        }
    });
    let outcome = Outcome { job_id: job.job_id, request_id: job.request_id, document: raw(&"applied") };
    let finished =
        |replica| Finished { outcomes: BTreeMap::from([(replica, vec![outcome.clone()])]), ..Finished::default() };
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    // Until the listener is there, nobody hears.
    let told = loop {
        consumer.finish(&key(), &finished(replica)).await.unwrap();
        tokio::task::yield_now().await;
        if let Ok(told) = heard.try_recv() {
            break told;
        }
    };
    assert_eq!(told, job.job_id);
    let stranger = EnvelopeKey::new(&"x".repeat(32).into()).unwrap();
    consumer.finish(&stranger, &finished(ReplicaId::random())).await.unwrap();
    listening.abort();
}
