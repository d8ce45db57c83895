//! Submits jobs in arrays, to have many waiting soon.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};

use super::closed::{Maker, Plan, start};
use super::http::{Answer, Head};
use super::job::{Accepted, Act, Job, USERS, job_ids};
use super::random::Random;
use super::submit::{MAX_ACCEPTED_JOBS, OwnUsers};

/// Jobs of one request.
const ARRAY_JOBS: usize = 100;
/// Connections, where the order between users does not matter.
const CONNECTIONS: u32 = 4;
const PATIENCE: Duration = Duration::from_hours(1);
/// Whose jobs are the many where the load is skewed.
const HOT_USER: u32 = 0;

/// Whose jobs.
#[derive(Debug)]
enum Source {
    /// Every user's stock, in turn.
    Stock { next_user: u32 },
    /// Random ones, so many of a hundred for one user.
    Jobs { users: OwnUsers, hot_percent: u8, random: Random },
}

impl Source {
    fn job(&mut self) -> Job {
        match self {
            Self::Stock { next_user } => {
                let job = Job { user: *next_user, act: Act::Stock };
                *next_user += 1;
                job
            }
            Self::Jobs { users, hot_percent, random } => {
                if random.below(100) < u32::from(*hot_percent) {
                    Job::random(HOT_USER, random)
                } else {
                    users.job()
                }
            }
        }
    }
}

#[derive(Debug)]
struct ArrayMaker {
    head: Head,
    source: Source,
    left: usize,
    body: Vec<u8>,
    sent: Vec<Job>,
    accepted: Vec<Accepted>,
}

impl Maker for ArrayMaker {
    fn make(&mut self, request: &mut Vec<u8>) -> bool {
        let count = self.left.min(ARRAY_JOBS);
        self.left -= count;
        self.sent.clear();
        self.sent.extend((0..count).map(|_| self.source.job()));
        self.body.clear();
        for (place, job) in self.sent.iter().enumerate() {
            self.body.push(if place == 0 { b'[' } else { b',' });
            job.write(&mut self.body);
        }
        self.body.push(b']');
        self.head.complete(&self.body, request);
        count > 0
    }

    fn answered(&mut self, answer: Answer<'_>) -> bool {
        let before = self.accepted.len();
        let accepted = job_ids(answer.body).zip(self.sent.iter().copied());
        self.accepted.extend(accepted.map(|(job_id, job)| Accepted { job_id, job }));
        answer.status == 202 && self.accepted.len() - before == self.sent.len()
    }
}

/// Gives every user a stock of every item.
pub(crate) fn stock(address: SocketAddr, token: &str) -> Result<Vec<Accepted>> {
    let users = usize::try_from(USERS)?;
    run(address, token, vec![(Source::Stock { next_user: 0 }, users)])
}

/// Submits so many random jobs, `hot_percent` of them for one user, and gives them, each user's in order.
pub(crate) fn jobs(address: SocketAddr, token: &str, jobs: usize, hot_percent: u8) -> Result<Vec<Accepted>> {
    ensure!(jobs <= MAX_ACCEPTED_JOBS, "at most {MAX_ACCEPTED_JOBS} jobs can be kept track of");
    // The hot user's jobs are spread evenly over the others' only if one connection sends them all.
    let connections = if hot_percent > 0 { 1 } else { CONNECTIONS };
    let mut sources = Vec::new();
    let mut left = jobs;
    for connection in 0..connections {
        let share = left / usize::try_from(connections - connection)?;
        left -= share;
        let (users, random) = (OwnUsers::new(connection, connections), Random::new(u64::from(u32::MAX - connection)));
        sources.push((Source::Jobs { users, hot_percent, random }, share));
    }
    run(address, token, sources)
}

fn run(address: SocketAddr, token: &str, sources: Vec<(Source, usize)>) -> Result<Vec<Accepted>> {
    let head = Head::new("POST", address, "/api/v1/jobs", token, "");
    let maker = |(source, left)| {
        let (body, sent, accepted) = (Vec::new(), Vec::new(), Vec::new());
        ArrayMaker { head: head.clone(), source, left, body, sent, accepted }
    };
    let makers: Vec<ArrayMaker> = sources.into_iter().map(maker).collect();
    let outcome = start(address, makers, Plan::until_done(PATIENCE)).finish()?;
    if let Some(trouble) = outcome.tally.trouble() {
        return Err(anyhow!(trouble).context("submitting jobs"));
    }
    Ok(outcome.makers.into_iter().flat_map(|maker| maker.accepted).collect())
}
