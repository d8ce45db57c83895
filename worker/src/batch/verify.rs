//! Verifies what waits in Postgres like what comes from the queue: whoever can write there alone makes no job, changes
//! none, and brings none early.

use chrono::TimeDelta;
use satchel_model::fold::MAX_CLOCK_SKEW_SECONDS;
use satchel_model::ids::{JobId, Shard, ShardCount, UserId};
use satchel_model::operations::Envelope;
use satchel_store::journal::Journaled;
use satchel_store::parked::ParkedJob;
use satchel_store::quarantine::RefusedRow;
use satchel_wire::envelope::{EnvelopeKey, OpenError, SealedEnvelope};

use crate::config::EnvelopeKeys;

/// See the module.
#[derive(Clone)]
pub(crate) struct Verifier {
    keys: EnvelopeKeys,
    shards: ShardCount,
}

/// Why a row is not taken for a job now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    /// Signed, but not for this worker, or not for now: nothing of its player may overtake it.
    Waits(String),
    /// Never to be applied.
    Refused(RefusedRow),
}

/// A row's own word on its job.
struct Claim<'r> {
    job_id: JobId,
    user_id: &'r str,
    shard: i32,
    /// Its number, which tells it from another row under its id.
    place: i64,
    sealed: &'r SealedEnvelope,
}

impl Verifier {
    pub(crate) fn new(keys: EnvelopeKeys, shards: ShardCount) -> Self {
        Self { keys, shards }
    }

    /// Signs what this worker writes.
    pub(crate) fn key(&self) -> &EnvelopeKey {
        &self.keys.current
    }

    /// The shard of a user's jobs.
    pub(crate) fn shard_of(&self, user_id: &UserId) -> Shard {
        self.shards.of_user(user_id)
    }

    /// The job of a row of the journal.
    pub(crate) fn journaled(&self, row: &Journaled) -> Result<Envelope, Distrust> {
        let Journaled { job_id, user_id, shard, seq: place, sealed } = row;
        let claim = Claim { job_id: *job_id, user_id, shard: *shard, place: *place, sealed };
        let envelope = self.open(&claim)?;
        // A copy from the queue would never leave the journal.
        if envelope.journaled { Ok(envelope) } else { Err(claim.refused(&"it was accepted without a journal")) }
    }

    /// The job of a row of `parked_jobs`.
    pub(crate) fn parked(&self, row: &ParkedJob) -> Result<Envelope, Distrust> {
        let ParkedJob { job_id, user_id, shard, position: place, sealed, .. } = row;
        let envelope = self.open(&Claim { job_id: *job_id, user_id, shard: *shard, place: *place, sealed })?;
        // It was due when it was parked, unless somebody else wrote the row.
        let skew = TimeDelta::seconds(MAX_CLOCK_SKEW_SECONDS);
        if envelope.job.not_before.is_some_and(|not_before| not_before > row.read_at + skew) {
            return Err(Distrust::Waits("it is not due yet".to_owned()));
        }
        Ok(envelope)
    }

    fn open(&self, claim: &Claim<'_>) -> Result<Envelope, Distrust> {
        let envelope = claim.sealed.open(self.keys.iter()).map_err(|error| match error {
            OpenError::Newer(_) => Distrust::Waits(error.to_string()),
            error => claim.refused(&error),
        })?;
        // Signed, but for another place: a row would count as something that it is not.
        let user_id = &envelope.job.user_id;
        let home = self.shards.of_user(user_id);
        if envelope.job_id != claim.job_id {
            return Err(claim.refused(&format!("it is job {}", envelope.job_id)));
        }
        if user_id.as_str() != claim.user_id {
            return Err(claim.refused(&format!("it is a job of user {user_id}")));
        }
        if i32::from(home.get()) != claim.shard {
            return Err(claim.refused(&format!("the job belongs to shard {home}")));
        }
        Ok(envelope)
    }
}

impl Claim<'_> {
    fn refused(&self, reason: &dyn ToString) -> Distrust {
        Distrust::Refused(RefusedRow { job_id: self.job_id, place: self.place, reason: reason.to_string() })
    }
}

/// Says that rows of a table are kept apart now.
pub(crate) fn tell(rows: &[RefusedRow], table: &str) {
    for RefusedRow { job_id, reason, .. } in rows {
        tracing::error!(job.id = %job_id, table, reason, "a job that waited in Postgres was quarantined");
        metrics::counter!("satchel_worker_entries_quarantined_total").increment(1);
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use satchel_forms::{Node, Pointer};
    use satchel_model::access::{Actor, Role, Scopes};
    use satchel_model::ids::RequestId;
    use satchel_model::operations::Submission;
    use satchel_store::parked::ParkedState;
    use satchel_wire::Fresh;

    use super::*;

    fn key(text: &str) -> EnvelopeKey {
        EnvelopeKey::new(&text.repeat(32).into()).unwrap()
    }

    fn verifier() -> Verifier {
        let keys = EnvelopeKeys { current: key("a"), previous: Some(key("b")) };
        Verifier::new(keys, ShardCount::new(64).unwrap())
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap()
    }

    fn envelope(journaled: bool) -> Envelope {
        let text = br#"{"type":"use_item","userId":"u1","itemId":"key"}"#;
        Envelope {
            job_id: JobId::from(uuid::Uuid::now_v7()),
            job: Submission::parse(Node::parse(text).unwrap(), Pointer::root()).unwrap().job,
            actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
            request_id: RequestId::random(),
            submitted_at: now(),
            reply_to: None,
            journaled,
        }
    }

    fn home() -> i32 {
        let envelope = envelope(false);
        verifier().shards.of_user(&envelope.job.user_id).get().into()
    }

    fn row(envelope: &Envelope, signer: &str) -> Journaled {
        let sealed = key(signer).seal(envelope);
        Journaled { user_id: "u1".to_owned(), job_id: envelope.job_id, shard: home(), seq: 7, sealed }
    }

    fn reason(row: &Journaled) -> String {
        match verifier().journaled(row) {
            Err(Distrust::Refused(RefusedRow { place: 7, reason, .. })) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_row_counts_if_a_key_signed_it_and_it_says_what_was_signed() {
        let envelope = envelope(true);
        for signer in ["a", "b"] {
            assert_eq!(verifier().journaled(&row(&envelope, signer)).as_ref(), Ok(&envelope));
        }
        let good = row(&envelope, "a");
        assert!(reason(&row(&envelope, "c")).contains("signature"));
        assert!(reason(&Journaled { job_id: JobId::from(uuid::Uuid::now_v7()), ..good.clone() }).contains("it is job"));
        assert!(reason(&Journaled { user_id: "u2".to_owned(), ..good.clone() }).contains("user u1"));
        assert!(reason(&Journaled { shard: home() + 1, ..good }).contains("shard"));
        assert!(reason(&row(&Envelope { journaled: false, ..envelope }, "a")).contains("without a journal"));
    }

    #[test]
    fn a_parked_job_that_is_not_due_waits() {
        let mut envelope = envelope(false);
        let parked = |envelope: &Envelope| {
            let Journaled { user_id, job_id, shard, seq: position, sealed } = row(envelope, "a");
            let (state, read_at) = (ParkedState::Retrying, now());
            let job = ParkedJob { user_id, position, job_id, shard, state, sealed, read_at, attempts: 1, tries: 1 };
            verifier().parked(&job)
        };
        for (seconds, waits) in [(-1, false), (30, false), (90, true)] {
            envelope.job.not_before = Some(now() + TimeDelta::seconds(seconds));
            assert_eq!(matches!(parked(&envelope), Err(Distrust::Waits(_))), waits, "{seconds}");
        }
    }
}
