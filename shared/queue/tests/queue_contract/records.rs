//! Pending records, claims and outcomes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use satchel_forms::{Node, Pointer};
use satchel_model::ids::JobId;
use satchel_model::ids::ReplicaId;
use satchel_model::json::raw;
use satchel_model::operations::Envelope;
use satchel_model::operations::Priority;
use satchel_model::operations::SendEvent;
use satchel_queue::{Claim, Finished, Outcome, Pending, Queue, QueueError, Sought};
use satchel_wire::Fresh;
use satchel_wire::envelope::EnvelopeKey;
use tokio::sync::mpsc;

use crate::submit::{
    all, awaited, delayed, enqueue, finish, high, ids, key, keyed, keyed_otherwise, normal, players, told,
};

const BLOCK_MS: u32 = 20_000;

pub(crate) async fn a_key_is_claimed_once(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let job = keyed(&users[0], "k");
    let (same, other) = (Pending::of(&job), Pending::of(&keyed_otherwise(&users[0], "k")));
    let third = Pending::of(&keyed(&users[0], "l"));
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
    let job = keyed(&users[0], "k");
    let mut journaled = keyed(&users[0], "l");
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

/// Whether queued in one step or in two, alone or among others.
pub(crate) async fn a_job_with_a_key_is_queued_once(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let submit = async |envelopes: &[&Envelope]| {
        let claims = queue.submit(&key(), envelopes).await.unwrap();
        claims.into_iter().collect::<Result<Vec<_>, _>>().unwrap()
    };
    for others in [vec![normal(&users[0])], vec![normal(&users[0]), told(&users[0])], vec![high(&users[0])]] {
        let (job, other) = (keyed(&users[0], "k"), keyed_otherwise(&users[0], "k"));
        let all_of = |job| others.iter().chain([job]).collect::<Vec<&Envelope>>();
        let mut sent: Vec<JobId> = all_of(&job).iter().map(|envelope| envelope.job_id).collect();
        sent.sort_by_key(|job_id| others[0].job.priority == Priority::High && *job_id != others[0].job_id);
        assert_eq!(submit(&all_of(&job)).await, vec![Claim::New; sent.len()]);
        let mut consumer = queue.consumer(BLOCK_MS).unwrap();
        let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
        assert_eq!(ids(&entries), sent);
        // Only the one without a key comes again; and that whose outcome somebody waits for.
        let queued = |of: &Envelope| Claim::Queued { submitted_at: of.submitted_at };
        let again = submit(&all_of(&job)).await;
        assert_eq!((again[0], again.last()), (Claim::New, Some(&queued(&job))));
        assert_eq!(submit(&all_of(&other)).await.last(), Some(&Claim::Other));
        assert_eq!(submit(&[&awaited(job.clone(), ReplicaId::random())]).await, [Claim::Same]);
        let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
        assert_eq!(ids(&entries).iter().filter(|job_id| **job_id == job.job_id).count(), 2);
        assert_eq!(ids(&entries).iter().filter(|job_id| **job_id == others[0].job_id).count(), 3);
        finish(&mut consumer, &entries).await;
        assert_eq!(queue.pending(job.job_id).await.unwrap(), None);
        // Done, it is free.
        assert_eq!(submit(&[&other]).await, [Claim::New]);
        let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
        finish(&mut consumer, &entries).await;
    }
    assert!(submit(&[]).await.is_empty());
}

pub(crate) async fn what_was_only_claimed_is_queued_by_who_repeats_it(queue: Arc<dyn Queue>) {
    let (_, users) = players(1);
    let job = keyed(&users[0], "k");
    assert_eq!(queue.claim(&[Pending::of(&job)]).await.unwrap(), [Claim::New]);
    let other = keyed_otherwise(&users[0], "k");
    for (envelope, expected) in [(&other, Claim::Other), (&job, Claim::Same)] {
        let claims = queue.submit(&key(), &[envelope]).await.unwrap();
        assert!(matches!(claims[..], [Ok(claim)] if claim == expected), "{claims:?}");
    }
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 100, BLOCK_MS).await.unwrap();
    assert_eq!(ids(&entries), [job.job_id]);
    finish(&mut consumer, &entries).await;
}

/// Nothing but its entry tells of it.
pub(crate) async fn a_job_without_a_key_is_found_by_its_id(queue: Arc<dyn Queue>) {
    let (_, users) = players(2);
    let mut jobs: Vec<Envelope> = (0..200).map(|_| normal(&users[0])).collect();
    jobs.extend([high(&users[1]), delayed(normal(&users[0]), Utc::now() + TimeDelta::days(1))]);
    // The clock of the API that made it may be off in either direction.
    for seconds in [-300, 300] {
        let unix = u64::try_from(Utc::now().timestamp() + seconds).unwrap();
        let made = uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, unix, 0));
        jobs.push(Envelope { job_id: JobId::placed(made, &users[0]), ..normal(&users[0]) });
    }
    let mut journaled = normal(&users[0]);
    journaled.journaled = true;
    jobs.push(journaled.clone());
    enqueue(&queue, &jobs).await;
    for job in jobs.iter().rev().step_by(40).chain(&jobs[199..204]) {
        let known = loop {
            match queue.pending(job.job_id).await {
                // How often it is looked further is bounded.
                Err(QueueError::Refused(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                answer => break answer.unwrap(),
            }
        };
        assert_eq!(known.is_some(), !job.journaled, "{job:?}");
        let Some(known) = known else { continue };
        assert_eq!(
            (known.job_id, &known.user_id, known.submitted_at),
            (job.job_id, &job.job.user_id, job.submitted_at)
        );
        assert_eq!((known.not_before, known.priority), (job.job.not_before, job.job.priority));
        assert_eq!(known.actor, job.actor.to_string());
    }
    let mut consumer = queue.consumer(BLOCK_MS).unwrap();
    let entries = consumer.read(&all(), 1_000, BLOCK_MS).await.unwrap();
    finish(&mut consumer, &entries).await;
    for job in &jobs[199..201] {
        assert_eq!(queue.pending(job.job_id).await.unwrap(), None);
    }
    queue.withdraw(&users[0], jobs[201].job_id).await.unwrap();
    assert_eq!(queue.pending(jobs[201].job_id).await.unwrap(), None);
    assert_eq!(queue.pending(JobId::from(uuid::Uuid::nil())).await.unwrap(), None);
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
