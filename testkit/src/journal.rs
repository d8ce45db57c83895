//! What the API said it accepted, and in which order: the promises that the invariants are checked against.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// One job that was answered with 202 (or 200, with its outcome).
#[derive(Debug, Clone)]
pub struct Accepted {
    /// Whose inventory.
    pub user_id: String,
    /// The job.
    pub job_id: String,
    /// The tick before its (first) request was sent: it was not queued before that.
    pub asked: u64,
    /// The tick after its (first) acceptance came back: it was queued by then. So a job that was asked for
    /// after another's acceptance comes after it, and of two that overlap either may be first.
    pub answered: u64,
    /// Which array it came in and where: jobs of one array come in the array's order.
    pub array: Option<(u64, usize)>,
    /// It has a `notBefore`, so its place is another than that of its acceptance.
    pub delayed: bool,
}

/// The tick at which a request was about to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked(u64);

/// Shared by all callers of one Satchel.
#[derive(Clone, Default)]
pub struct Journal {
    ticks: Arc<AtomicU64>,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    retired: Arc<Mutex<HashSet<String>>>,
}

impl Journal {
    /// Call it before sending.
    pub(crate) fn ask(&self) -> Asked {
        Asked(self.tick())
    }

    /// Notes what `answer` accepts of `body`, which was asked for at `asked`.
    pub(crate) fn note(&self, asked: Asked, body: &Value, answer: &Value) {
        let answered = self.tick();
        let entry = |job: &Value, answer: &Value, array| Accepted {
            user_id: job["userId"].as_str().expect("an accepted job has a userId").to_owned(),
            job_id: answer["jobId"].as_str().expect("an accepted job has a jobId").to_owned(),
            asked: asked.0,
            answered,
            array,
            delayed: !job["notBefore"].is_null(),
        };
        let mut accepted = self.accepted.lock().unwrap();
        match body.as_array() {
            None => accepted.push(entry(body, answer, None)),
            Some(jobs) => {
                let answers = answer["jobs"]
                    .as_array()
                    .or(answer["events"].as_array())
                    .expect("an array is answered by an array");
                assert_eq!(jobs.len(), answers.len(), "each job of an array is answered");
                accepted.extend(
                    jobs.iter()
                        .zip(answers)
                        .enumerate()
                        .filter(|(_, (_, answer))| answer["jobId"].is_string())
                        .map(|(i, (job, answer))| entry(job, answer, Some((answered, i)))),
                );
            }
        }
    }

    /// Every job accepted so far, each once however often it was submitted.
    pub fn accepted(&self) -> Vec<Accepted> {
        let mut jobs: Vec<Accepted> = Vec::new();
        let mut index = HashMap::new();
        for entry in self.accepted.lock().unwrap().iter() {
            let at = *index.entry(entry.job_id.clone()).or_insert(jobs.len());
            match jobs.get_mut(at) {
                None => jobs.push(entry.clone()),
                Some(first) => {
                    assert_eq!(first.user_id, entry.user_id, "one job id for two users: {entry:?}");
                    first.asked = first.asked.min(entry.asked);
                    first.answered = first.answered.min(entry.answered);
                    // Submitted more than once: which of the submissions was first cannot be told.
                    first.array = None;
                }
            }
        }
        jobs
    }

    /// How many acceptances came back so far, repeated ones included.
    pub fn acceptances(&self) -> usize {
        self.accepted.lock().unwrap().len()
    }

    /// Of this job nothing but its effect need be known any more: it was cleaned away.
    pub fn retire(&self, job_id: &str) {
        self.retired.lock().unwrap().insert(job_id.to_owned());
    }

    /// The test took this job away before it was decided: nothing is promised of it any more.
    pub fn lose(&self, job_id: &str) {
        self.accepted.lock().unwrap().retain(|job| job.job_id != job_id);
    }

    /// The jobs that were retired.
    pub fn retired(&self) -> HashSet<String> {
        self.retired.lock().unwrap().clone()
    }

    fn tick(&self) -> u64 {
        self.ticks.fetch_add(1, Ordering::SeqCst)
    }
}
