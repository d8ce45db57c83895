//! F: each player's jobs in the order accepted.
//!
//! A job with a `notBefore` has its place when it is due, so it is left out here: the tests of delays look at them.

use std::collections::HashMap;

use super::facts::{Facts, number, text};
use satchel_testkit::Accepted;

impl Facts {
    /// F, for jobs without effect too: no job was decided earlier than one that was accepted before it was asked
    /// for. (Jobs of one batch are decided at one time.) Told by times, it cannot be where Postgres's clock is set back.
    pub(super) fn jobs_were_decided_in_the_order_accepted(&self, accepted: &[Accepted], violations: &mut Vec<String>) {
        let decided: HashMap<String, i64> =
            self.jobs.iter().map(|job| (text(job, "job_id"), number(job, "micros"))).collect();
        let mut users: HashMap<&str, Vec<(&Accepted, i64)>> = HashMap::new();
        for job in accepted.iter().filter(|job| !job.delayed) {
            if let Some(at) = decided.get(&job.job_id) {
                users.entry(&job.user_id).or_default().push((job, *at));
            }
        }
        for mut by_asked in users.into_values() {
            let mut by_answered = by_asked.clone();
            by_asked.sort_by_key(|(job, _)| job.asked);
            by_answered.sort_by_key(|(job, _)| job.answered);
            let mut before = by_answered.into_iter().peekable();
            let mut latest: Option<(&Accepted, i64)> = None;
            for (job, at) in by_asked {
                while let Some(earlier) = before.next_if(|(earlier, _)| earlier.answered < job.asked) {
                    latest = latest.filter(|latest| latest.1 >= earlier.1).or(Some(earlier));
                }
                if let Some((earlier, _)) = latest.filter(|(_, earlier_at)| *earlier_at > at) {
                    violations.push(format!("F: {job:?} was decided before {earlier:?}"));
                }
            }
        }
    }

    /// F: a job that was asked for after another one's acceptance was applied after it, and the jobs of an
    /// array in its order. Seen for all jobs that left a trace in the ledger.
    pub(super) fn jobs_were_applied_in_the_order_accepted(&self, accepted: &[Accepted], violations: &mut Vec<String>) {
        let accepted: HashMap<&str, &Accepted> =
            accepted.iter().filter(|job| !job.delayed).map(|job| (job.job_id.as_str(), job)).collect();
        for entries in self.ledger.values() {
            let mut ids: Vec<String> = entries.iter().map(|entry| entry.job_id.clone()).collect();
            ids.dedup();
            let mut latest: Option<&Accepted> = None;
            let mut places: HashMap<u64, usize> = HashMap::new();
            for job in ids.iter().filter_map(|id| accepted.get(id.as_str()).copied()) {
                if let Some(latest) = latest.filter(|latest| job.answered < latest.asked) {
                    violations.push(format!("F: {latest:?} was applied before {job:?}"));
                }
                if latest.is_none_or(|latest| latest.asked < job.asked) {
                    latest = Some(job);
                }
                if let Some((array, place)) = job.array {
                    let before = places.insert(array, place);
                    if before.is_some_and(|before| before > place) {
                        violations.push(format!("F: {job:?} was applied after entry {before:?} of its array"));
                    }
                }
            }
        }
    }
}
