//! D, the first half: what happened is told of, once, in an order without gaps.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::facts::{Facts, number, text};

impl Facts {
    /// In each shard events are numbered without a gap up to what its counter says, and their times never fall.
    pub(super) fn events_are_numbered_without_gaps(&self, violations: &mut Vec<String>) {
        let mut shards: BTreeMap<i64, Vec<&Value>> = BTreeMap::new();
        for event in &self.events {
            shards.entry(number(event, "shard")).or_default().push(event);
        }
        for (shard, counted) in &self.event_counts {
            let events = shards.remove(shard).unwrap_or_default();
            let numbers = events.iter().map(|event| number(event, "seq"));
            if !numbers.eq(1..=*counted) {
                violations.push(format!("D: shard {shard} counts {counted} events and has {}", events.len()));
            }
            if !events.is_sorted_by_key(|event| number(event, "micros")) {
                violations.push(format!("D: the times of the events of shard {shard} fall"));
            }
        }
        violations.extend(shards.keys().map(|shard| format!("D: events of no shard: {shard}")));
    }

    /// Each decided job has one event that says how it ended. (Further ones have ids that begin with the job's. Of
    /// `retired` jobs the record is gone.)
    pub(super) fn every_job_is_told_of_once(&self, retired: &HashSet<String>, violations: &mut Vec<String>) {
        let mut told: HashMap<String, Vec<&Value>> = HashMap::new();
        for event in &self.events {
            let job_id = event["job_id"].as_str().unwrap_or_default();
            let is_further = event["id"].as_str().is_some_and(|id| id.starts_with(&format!("{job_id}:")));
            if !job_id.is_empty() && !is_further {
                told.entry(job_id.to_owned()).or_default().push(event);
            }
        }
        for job in &self.jobs {
            let events = told.remove(&text(job, "job_id")).unwrap_or_default();
            let fits = |event: &Value| {
                text(event, "user_id") == text(job, "user_id")
                    && (text(event, "name") == "job/rejected") == (text(job, "status") == "rejected")
            };
            if !matches!(&events[..], [event] if fits(event)) {
                violations.push(format!("D: the job {job} is told of by {events:?}"));
            }
        }
        told.retain(|job_id, _| !retired.contains(job_id));
        violations.extend(told.values().map(|events| format!("D: events of no job: {events:?}")));
    }
}
