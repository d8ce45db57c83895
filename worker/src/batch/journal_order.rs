//! Completes a batch from Postgres's journal: jobs that the queue has forgotten come before their player's later ones.
//!
//! A journaled job is in `journal` from before it was accepted until it is decided, so the journal knows, under the
//! player's lock, of every earlier job that is not decided yet, wherever the queue has it.

use std::collections::{HashMap, HashSet};

use satchel_model::fold::Disposition;
use satchel_model::ids::JobId;
use satchel_store::journal::{self, Journaled};
use satchel_store::quarantine::RefusedRow;
use satchel_store::{StoreError, Tx};

use super::decode::{Delivery, Source};
use super::verify::{Distrust, Verifier};

/// Most rows of the journal that one batch is compared with, for each of its deliveries, and beside that. What lies beyond
/// is left for another batch; what lies before it is decided in this one, so that the next one comes further.
const JOURNAL_ROWS_PER_DELIVERY: usize = 2;
const MORE_JOURNAL_ROWS: usize = 100;

/// A batch's jobs in the order in which they must be decided.
#[derive(Default)]
pub(crate) struct Completed {
    /// Jobs that were not among the deliveries.
    extra: Vec<Delivery>,
    order: Vec<Place>,
    /// Rows of the journal that are no jobs: they hold nobody up.
    refused: Vec<RefusedRow>,
}

/// Where a job of the batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Delivered(usize),
    Extra(usize),
}

/// Looks up what the journal has of the players of journaled deliveries, whose rows are locked.
pub(crate) async fn complete(
    tx: &mut Tx<'_>,
    deliveries: &[Delivery],
    verifier: &Verifier,
) -> Result<Completed, StoreError> {
    let is_journaled = |delivery: &&Delivery| delivery.envelope.journaled && !delivery.was_parked();
    let job_ids: Vec<JobId> = deliveries.iter().filter(is_journaled).map(|delivery| delivery.envelope.job_id).collect();
    if job_ids.is_empty() {
        return Ok(Completed::of(deliveries, &[], false, verifier));
    }
    let max_rows = job_ids.len() * JOURNAL_ROWS_PER_DELIVERY + MORE_JOURNAL_ROWS;
    let rows = journal::earlier(tx, &job_ids, i64::try_from(max_rows).unwrap_or(i64::MAX)).await?;
    let is_cut = rows.len() >= max_rows;
    Ok(Completed::of(deliveries, &rows, is_cut, verifier))
}

impl Completed {
    /// So many deliveries as they came, without any from the journal.
    pub(crate) fn delivered(deliveries: usize) -> Self {
        Self { order: (0..deliveries).map(Place::Delivered).collect(), ..Self::default() }
    }

    /// `rows` are what the journal has of these players up to their last delivery, by player and in order; `is_cut` if
    /// there may be more.
    fn of(deliveries: &[Delivery], rows: &[Journaled], is_cut: bool, verifier: &Verifier) -> Self {
        let mut completed = Self::default();
        let mut rows_of: HashMap<&str, Vec<&Journaled>> = HashMap::new();
        for row in rows {
            rows_of.entry(&row.user_id).or_default().push(row);
        }
        let known: HashSet<JobId> = rows.iter().map(|row| row.job_id).collect();
        let mut delivered: HashMap<JobId, usize> = HashMap::new();
        for (index, delivery) in deliveries.iter().enumerate() {
            delivered.entry(delivery.envelope.job_id).or_insert(index);
        }
        let mut placed: HashSet<JobId> = HashSet::new();
        let mut unreadable: HashSet<&str> = HashSet::new();
        for (index, delivery) in deliveries.iter().enumerate() {
            let (job_id, user_id) = (delivery.envelope.job_id, delivery.envelope.job.user_id.as_str());
            let is_in_rows = known.contains(&job_id) && !delivery.was_parked();
            if is_in_rows && !delivery.envelope.journaled {
                // It was accepted without the journal, and repeated with it: its first place counts.
                placed.insert(job_id);
                if !unreadable.contains(user_id) {
                    completed.order.push(Place::Delivered(index));
                }
                continue;
            }
            // In none of the rows that were looked at: decided, or beyond them.
            let may_be_beyond = !is_in_rows && is_cut && delivery.envelope.journaled && !delivery.was_parked();
            if !is_in_rows && !may_be_beyond {
                if !unreadable.contains(user_id) {
                    completed.order.push(Place::Delivered(index));
                }
                continue;
            }
            let own = rows_of.get(user_id).map_or(&[][..], Vec::as_slice);
            let up_to_it = own.iter().position(|row| row.job_id == job_id).map_or(own.len(), |position| position + 1);
            for row in own.iter().take(up_to_it) {
                if unreadable.contains(user_id) || !placed.insert(row.job_id) {
                    continue;
                }
                if !completed.place(row, delivered.get(&row.job_id).copied(), delivery, verifier) {
                    unreadable.insert(user_id);
                }
            }
            // A copy of a job that has its place.
            if is_in_rows && delivered.get(&job_id) != Some(&index) && !unreadable.contains(user_id) {
                completed.order.push(Place::Delivered(index));
            }
        }
        completed
    }

    /// Puts the row's job next, as it was delivered or as the journal has it; `false` if it has to wait: its player's later
    /// jobs must not overtake it.
    fn place(&mut self, row: &Journaled, delivered: Option<usize>, beside: &Delivery, verifier: &Verifier) -> bool {
        if let Some(index) = delivered {
            self.order.push(Place::Delivered(index));
            return true;
        }
        match verifier.journaled(row) {
            Ok(envelope) => {
                let canonical = envelope.job.canonical();
                self.order.push(Place::Extra(self.extra.len()));
                self.extra.push(Delivery { envelope, canonical, shard: beside.shard, source: Source::Journal });
                true
            }
            Err(Distrust::Refused(row)) => {
                self.refused.push(row);
                true
            }
            Err(Distrust::Waits(reason)) => {
                tracing::error!(job.id = %row.job_id, reason, "a journaled job waits, and its player with it");
                false
            }
        }
    }

    /// Rows that must not stay in the journal.
    pub(crate) fn refused(&self) -> &[RefusedRow] {
        &self.refused
    }

    /// The jobs that were not among the deliveries.
    pub(crate) fn extra(&self) -> &[Delivery] {
        &self.extra
    }

    /// The same, and nothing else.
    pub(crate) fn into_extra(self) -> Vec<Delivery> {
        self.extra
    }

    /// The jobs, in order.
    pub(crate) fn in_order<'d>(&'d self, deliveries: &'d [Delivery]) -> Vec<&'d Delivery> {
        let at = |place: &Place| match *place {
            Place::Delivered(index) => deliveries.get(index),
            Place::Extra(index) => self.extra.get(index),
        };
        self.order.iter().filter_map(at).collect()
    }

    /// Gives the dispositions of [`Completed::in_order`] to the deliveries, `None` to those that were left out, and
    /// to the extra ones.
    pub(crate) fn hand_back(
        self,
        delivered: usize,
        dispositions: Vec<Disposition>,
    ) -> (Vec<Option<Disposition>>, Vec<(Delivery, Disposition)>) {
        let mut of_delivered: Vec<Option<Disposition>> = std::iter::repeat_with(|| None).take(delivered).collect();
        let mut of_extra: Vec<Option<Disposition>> = std::iter::repeat_with(|| None).take(self.extra.len()).collect();
        for (place, disposition) in self.order.into_iter().zip(dispositions) {
            let slot = match place {
                Place::Delivered(index) => of_delivered.get_mut(index),
                Place::Extra(index) => of_extra.get_mut(index),
            };
            if let Some(slot) = slot {
                *slot = Some(disposition);
            }
        }
        let extra =
            self.extra.into_iter().zip(of_extra).filter_map(|(delivery, disposition)| Some((delivery, disposition?)));
        (of_delivered, extra.collect())
    }
}

#[cfg(test)]
mod tests {
    use satchel_forms::{Node, Pointer};
    use satchel_model::access::{Actor, Role, Scopes};
    use satchel_model::ids::{RequestId, Shard, ShardCount};
    use satchel_model::operations::Envelope;
    use satchel_model::operations::Priority;
    use satchel_model::operations::Submission;
    use satchel_queue::{EntryRef, Place};
    use satchel_wire::Fresh;
    use satchel_wire::envelope::EnvelopeKey;

    use super::*;
    use crate::config::EnvelopeKeys;

    fn key(text: &str) -> EnvelopeKey {
        EnvelopeKey::new(&text.repeat(32).into()).unwrap()
    }

    fn verifier() -> Verifier {
        Verifier::new(EnvelopeKeys { current: key("a"), previous: None }, ShardCount::new(1).unwrap())
    }

    fn delivery(user: &str, journaled: bool) -> Delivery {
        let job = format!(r#"{{"type":"use_item","userId":"{user}","itemId":"key"}}"#);
        let job = Submission::parse(Node::parse(job.as_bytes()).unwrap(), Pointer::root()).unwrap().job;
        Delivery {
            canonical: job.canonical(),
            envelope: Envelope {
                job_id: JobId::from(uuid::Uuid::now_v7()),
                job,
                actor: Actor::new(Role::Service, "game", Scopes::all()).unwrap(),
                request_id: RequestId::random(),
                submitted_at: chrono::DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap(),
                reply_to: None,
                journaled,
            },
            shard: Shard::new(0),
            source: Source::Queue(EntryRef {
                shard: Shard::new(0),
                place: Place::Stream(Priority::Normal),
                id: "1-0".into(),
            }),
        }
    }

    fn row(delivery: &Delivery, seq: i64) -> Journaled {
        Journaled {
            user_id: delivery.envelope.job.user_id.to_string(),
            job_id: delivery.envelope.job_id,
            shard: 0,
            seq,
            sealed: key("a").seal(&delivery.envelope),
        }
    }

    fn order(deliveries: &[Delivery], rows: &[Journaled], is_cut: bool) -> Vec<JobId> {
        let completed = Completed::of(deliveries, rows, is_cut, &verifier());
        completed.in_order(deliveries).iter().map(|delivery| delivery.envelope.job_id).collect()
    }

    fn ids(deliveries: &[&Delivery]) -> Vec<JobId> {
        deliveries.iter().map(|delivery| delivery.envelope.job_id).collect()
    }

    #[test]
    fn what_the_queue_forgot_comes_before_what_was_delivered() {
        let (forgotten, other) = (delivery("u1", true), delivery("u2", true));
        let batch = [delivery("u1", true), delivery("u2", true)];
        let rows = [row(&forgotten, 1), row(&batch[0], 2), row(&other, 3), row(&batch[1], 4)];
        assert_eq!(order(&batch, &rows, false), ids(&[&forgotten, &batch[0], &other, &batch[1]]));
    }

    #[test]
    fn the_journals_order_is_the_players_order() {
        let batch = [delivery("u1", true), delivery("u1", true), delivery("u1", true)];
        let rows = [row(&batch[1], 1), row(&batch[2], 2), row(&batch[0], 3)];
        assert_eq!(order(&batch, &rows, false), ids(&[&batch[1], &batch[2], &batch[0]]));
    }

    #[test]
    fn decided_jobs_copies_and_those_without_journal_keep_their_places() {
        let decided = delivery("u1", true);
        let plain = delivery("u1", false);
        let kept = delivery("u1", true);
        let mut copy = delivery("u1", true);
        copy.envelope.job_id = kept.envelope.job_id;
        let batch = [decided, plain, kept, copy];
        let rows = [row(&batch[2], 1)];
        assert_eq!(order(&batch, &rows, false), ids(&[&batch[0], &batch[1], &batch[2], &batch[3]]));
    }

    #[test]
    fn a_job_that_was_accepted_without_journal_and_repeated_with_it_keeps_its_first_place() {
        let (first, next, mut again) = (delivery("u1", false), delivery("u1", true), delivery("u1", true));
        again.envelope.job_id = first.envelope.job_id;
        let batch = [first, next, again];
        let rows = [row(&batch[1], 1), row(&batch[2], 2)];
        assert_eq!(order(&batch, &rows, false), ids(&[&batch[0], &batch[1], &batch[2]]));
    }

    #[test]
    fn a_row_that_nobody_signed_is_put_away_and_its_player_goes_on() {
        let (forged, forgotten) = (delivery("u1", true), delivery("u1", true));
        let batch = [delivery("u1", true)];
        let forged = Journaled { sealed: key("b").seal(&forged.envelope), ..row(&forged, 1) };
        let rows = [forged, row(&forgotten, 2), row(&batch[0], 3)];
        let completed = Completed::of(&batch, &rows, false, &verifier());
        assert_eq!(order(&batch, &rows, false), ids(&[&forgotten, &batch[0]]));
        assert_eq!(completed.refused().iter().map(|row| row.place).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn behind_a_job_of_a_newer_form_its_player_is_left() {
        let newer = delivery("u1", true);
        let body = String::from_utf8(key("a").seal(&newer.envelope).body).unwrap().replace("use_item", "fly");
        let unreadable = Journaled { sealed: key("a").seal_body(body), ..row(&newer, 1) };
        let batch = [delivery("u1", true), delivery("u2", true)];
        let rows = [unreadable, row(&batch[0], 2), row(&batch[1], 3)];
        let completed = Completed::of(&batch, &rows, false, &verifier());
        assert_eq!(completed.in_order(&batch).len(), 1);
        let (dispositions, extra) = completed.hand_back(2, vec![Disposition::Blocked]);
        assert!(matches!(dispositions[..], [None, Some(Disposition::Blocked)]) && extra.is_empty());
    }

    #[test]
    fn where_the_journal_was_not_read_to_its_end_what_is_not_in_it_is_left() {
        let batch = [delivery("u1", true), delivery("u2", true), delivery("u3", false)];
        let rows = [row(&batch[0], 1)];
        assert_eq!(order(&batch, &rows, true), ids(&[&batch[0], &batch[2]]));
    }

    #[test]
    fn what_was_read_comes_before_a_delivery_that_lies_beyond_it() {
        let (forgotten, next) = (delivery("u1", true), delivery("u1", true));
        let batch = [delivery("u1", true)];
        assert_eq!(order(&batch, &[row(&forgotten, 1), row(&next, 2)], true), ids(&[&forgotten, &next]));
    }
}
