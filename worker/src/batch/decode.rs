//! From stream entries to jobs that can be trusted. What cannot is quarantined, and the rest goes on.

use satchel_model::fold::Turn;
use satchel_model::ids::{Shard, ShardCount};
use satchel_model::operations::Envelope;
use satchel_queue::{Entry, EntryRef};
use satchel_store::quarantine::Quarantined;
use satchel_wire::envelope::OpenError;

use crate::config::EnvelopeKeys;

/// A job as it was delivered.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// What was submitted, by whom.
    pub(crate) envelope: Envelope,
    /// The job's canonical form, worked out anew.
    pub(crate) canonical: Box<str>,
    /// The shard of its player.
    pub(crate) shard: Shard,
    /// Where it waited.
    pub(crate) source: Source,
}

/// Where a job waited until it was delivered.
#[derive(Debug)]
pub(crate) enum Source {
    /// In its shard of the queue.
    Queue(EntryRef),
    /// Among its player's parked jobs.
    Parked {
        /// Its place among them.
        position: i64,
        /// How often it failed so far.
        failures: i32,
        /// How often since an operator had it tried again.
        tries: i32,
    },
    /// In Postgres's journal alone: the queue has forgotten it.
    Journal,
}

impl Delivery {
    /// The job, to be decided.
    pub(crate) fn turn(&self) -> Turn<'_> {
        Turn {
            envelope: &self.envelope,
            canonical: &self.canonical,
            shard: self.shard,
            failures: self.failures(),
            was_parked: self.was_parked(),
        }
    }

    /// How often it failed before.
    pub(crate) fn failures(&self) -> i32 {
        match self.source {
            Source::Parked { failures, .. } => failures,
            Source::Queue(_) | Source::Journal => 0,
        }
    }

    /// Whether it comes from among its player's parked jobs.
    pub(crate) fn was_parked(&self) -> bool {
        matches!(self.source, Source::Parked { .. })
    }
}

/// What became of the entries of one read.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// Jobs to decide, in stream order.
    pub(crate) deliveries: Vec<Delivery>,
    /// Entries that are no jobs, and where they stand.
    pub(crate) quarantined: Vec<(EntryRef, Quarantined)>,
    /// Shards at whose head stands a job of a newer form than this worker knows: nothing behind it may overtake
    /// it, so they wait for a newer worker.
    pub(crate) waiting: Vec<(Shard, String)>,
}

/// Verifies and reads entries.
pub(crate) fn decode(entries: Vec<Entry>, keys: &EnvelopeKeys, shards: ShardCount) -> Decoded {
    let mut decoded = Decoded::default();
    for entry in entries {
        if decoded.waiting.iter().any(|(shard, _)| *shard == entry.shard) {
            continue;
        }
        match open(&entry, keys, shards) {
            Ok(envelope) => {
                let canonical = envelope.job.canonical();
                let (shard, source) = (entry.shard, Source::Queue(entry.reference()));
                decoded.deliveries.push(Delivery { envelope, canonical, shard, source });
            }
            Err(Fault::Newer(what)) => decoded.waiting.push((entry.shard, what)),
            Err(Fault::Bad(reason)) => {
                let reference = entry.reference();
                let body = entry.describe().into_bytes();
                let entry = Quarantined { shard: entry.shard, entry_id: entry.id, reason, body };
                decoded.quarantined.push((reference, entry));
            }
        }
    }
    decoded
}

enum Fault {
    Newer(String),
    Bad(String),
}

fn open(entry: &Entry, keys: &EnvelopeKeys, shards: ShardCount) -> Result<Envelope, Fault> {
    let sealed = entry.sealed().ok_or_else(|| Fault::Bad("the entry lacks the fields v, body and mac".into()))?;
    let envelope = sealed.open(keys.iter()).map_err(|error| match error {
        OpenError::Newer(what) => Fault::Newer(what),
        error => Fault::Bad(error.to_string()),
    })?;
    // A good entry copied into another stream would be applied out of its player's order.
    let home = shards.of_user(&envelope.job.user_id);
    if home != entry.shard {
        return Err(Fault::Bad(format!("the job belongs to shard {home}")));
    }
    Ok(envelope)
}
