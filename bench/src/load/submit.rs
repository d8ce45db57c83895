//! Submits jobs, one a request, and keeps what was accepted.

use std::io::Write;
use std::net::SocketAddr;

use super::closed::Maker;
use super::http::{Answer, Head};
use super::job::{Accepted, Job, USERS, job_ids};
use super::random::Random;

/// The most jobs of one run that are kept track of, over all connections: about 400 MiB.
pub(crate) const MAX_ACCEPTED_JOBS: usize = 16_000_000;

/// The users of one connection: no two connections submit for the same user, so that the order in which a user's
/// jobs were accepted is known.
#[derive(Debug, Clone)]
pub(crate) struct OwnUsers {
    connection: u32,
    connections: u32,
    random: Random,
}

impl OwnUsers {
    /// The users of this one of so many connections (at most [`USERS`]).
    pub(crate) fn new(connection: u32, connections: u32) -> Self {
        Self { connection, connections: connections.max(1), random: Random::new(u64::from(connection)) }
    }

    /// The next job.
    pub(crate) fn job(&mut self) -> Job {
        let users = (USERS.saturating_sub(self.connection)).div_ceil(self.connections);
        let user = self.connection + self.connections * self.random.below(users);
        Job::random(user, &mut self.random)
    }
}

/// Submits single jobs.
#[derive(Debug)]
pub(crate) struct SubmitMaker {
    head: Head,
    users: OwnUsers,
    /// The number of the last key, where jobs have idempotency keys.
    last_key: Option<u64>,
    body: Vec<u8>,
    sent: Option<Job>,
    accepted: Vec<Accepted>,
    max_accepted: usize,
}

impl SubmitMaker {
    /// One maker for each of so many connections.
    pub(crate) fn for_connections(address: SocketAddr, token: &str, connections: u32) -> Vec<Self> {
        let head = Head::new("POST", address, "/api/v1/jobs", token, "");
        let maker = |connection| Self::new(head.clone(), connection, connections);
        (0..connections).map(maker).collect()
    }

    /// The maker of one of so many connections.
    pub(crate) fn new(head: Head, connection: u32, connections: u32) -> Self {
        let max_accepted = MAX_ACCEPTED_JOBS / usize::try_from(connections.max(1)).unwrap_or(usize::MAX);
        let users = OwnUsers::new(connection, connections);
        Self { head, users, last_key: None, body: Vec::new(), sent: None, accepted: Vec::new(), max_accepted }
    }

    /// The same, each job with an idempotency key that none had before.
    pub(crate) fn keyed(self) -> Self {
        Self { last_key: Some(0), ..self }
    }

    /// Puts a key into the body, which is of one job.
    fn add_key(&mut self) {
        let Some(last) = &mut self.last_key else { return };
        *last += 1;
        self.body.pop();
        // Writing to a vector does not fail. Users are of one connection, and keys of one user.
        let _ = write!(self.body, r#","idempotencyKey":"{last}"}}"#);
    }

    /// The jobs that were accepted, in order.
    pub(crate) fn into_accepted(self) -> Vec<Accepted> {
        self.accepted
    }
}

impl Maker for SubmitMaker {
    fn make(&mut self, request: &mut Vec<u8>) -> bool {
        if self.accepted.len() >= self.max_accepted {
            return false;
        }
        let job = self.users.job();
        self.body.clear();
        job.write(&mut self.body);
        self.add_key();
        self.head.complete(&self.body, request);
        self.sent = Some(job);
        true
    }

    /// 202, and 200 where the outcome was waited for.
    fn answered(&mut self, answer: Answer<'_>) -> bool {
        let (Some(job), Some(job_id)) = (self.sent.take(), job_ids(answer.body).next()) else { return false };
        let is_accepted = answer.status == 202 || answer.status == 200;
        if is_accepted {
            self.accepted.push(Accepted { job_id, job });
        }
        is_accepted
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_connections_have_a_user_in_common_and_together_they_have_all() {
        let mut owners: BTreeMap<u32, u32> = BTreeMap::new();
        for connection in 0..3 {
            let mut users = OwnUsers::new(connection, 3);
            for _ in 0..60_000 {
                let user = users.job().user;
                assert_eq!(*owners.entry(user).or_insert(connection), connection);
            }
        }
        assert_eq!(owners.len(), USERS as usize);
        assert_eq!(owners.last_key_value().map(|(user, _)| *user), Some(USERS - 1));
    }

    #[test]
    fn keys_are_new_each_time() {
        let head = Head::new("POST", SocketAddr::from(([127, 0, 0, 1], 80)), "/", "t", "");
        let mut maker = SubmitMaker::new(head, 0, 1).keyed();
        let mut key = || {
            let mut request = Vec::new();
            assert!(maker.make(&mut request));
            let body = request.split(|byte| *byte == b'\n').next_back().unwrap();
            serde_json::from_slice::<serde_json::Value>(body).unwrap()["idempotencyKey"].as_str().unwrap().to_owned()
        };
        assert_eq!([key(), key()], ["1", "2"]);
    }

    #[test]
    fn only_what_was_answered_for_counts_as_accepted() {
        let head = Head::new("POST", SocketAddr::from(([127, 0, 0, 1], 80)), "/", "t", "");
        let mut maker = SubmitMaker::new(head, 0, 1);
        let mut request = Vec::new();
        let body = br#"{"jobId":"00000000-0000-0000-0000-000000000001"}"#;
        for (status, is_good) in [(202, true), (503, false), (200, true)] {
            assert!(maker.make(&mut request));
            assert_eq!(maker.answered(Answer { status, body }), is_good);
        }
        assert!(maker.make(&mut request));
        assert!(!maker.answered(Answer { status: 202, body: b"{}" }));
        assert_eq!(maker.into_accepted().len(), 2);
    }
}
