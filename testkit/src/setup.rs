//! How a test wants its Satchel.

use crate::clock::Steered;
use crate::{Inbox, RedisKind, statements};

/// Collects wishes; [`Setup::start`] grants them.
pub struct Setup {
    pub(crate) workers: usize,
    pub(crate) worker_program: &'static str,
    pub(crate) api_env: Vec<(String, String)>,
    pub(crate) worker_env: Vec<(String, String)>,
    pub(crate) redis: RedisKind,
    /// The settings of a server of its own, if it has one.
    pub(crate) own_postgres: Option<&'static [(&'static str, &'static str)]>,
    /// The variables of that server.
    pub(crate) postgres_env: Vec<(&'static str, String)>,
    /// Whether there is a [`crate::way::Way`] from each program to each store.
    pub(crate) has_ways: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// One worker, everything else as it comes.
    pub fn new() -> Self {
        Self {
            workers: 1,
            worker_program: "satchel-worker",
            api_env: Vec::new(),
            worker_env: Vec::new(),
            redis: RedisKind::default(),
            own_postgres: None,
            postgres_env: Vec::new(),
            has_ways: false,
        }
    }

    /// So many workers at first.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// A variable for the API.
    pub fn api_env(mut self, name: &str, value: &str) -> Self {
        self.api_env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A variable for every worker.
    pub fn worker_env(mut self, name: &str, value: &str) -> Self {
        self.worker_env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Workers that commit little at a time, notice soon that another one is gone, and try a failed job again soon.
    pub fn brisk(self) -> Self {
        self.worker_env("SATCHEL_MAX_BATCH_JOBS", "20")
            .worker_env("SATCHEL_LEASE_TTL_MS", "2000")
            .worker_env("SATCHEL_LEASE_RENEW_MS", "400")
            .worker_env("SATCHEL_JOB_RETRY_MS", "200")
    }

    /// Accepted jobs are journaled in Postgres.
    pub fn journaled(self) -> Self {
        self.api_env("SATCHEL_JOURNAL", "postgres")
    }

    /// Workers with test functions (`tests/src/bin/satchel-test-worker.rs`), which call this inbox.
    pub fn functions(self, inbox: &Inbox) -> Self {
        Self { worker_program: "satchel-test-worker", ..self.worker_env("TEST_INBOX", inbox.address()) }
    }

    /// Another kind of Redis.
    pub fn redis(self, redis: RedisKind) -> Self {
        Self { redis, ..self }
    }

    /// API and workers reach the stores over ways that the test can make faults on: [`Satchel::ways`].
    pub fn with_ways(self) -> Self {
        Self { has_ways: true, ..self }
    }

    /// A Postgres that the test may stop and kill.
    pub fn own_postgres(self) -> Self {
        Self { own_postgres: Some(&[]), ..self }
    }

    /// A Postgres of its own that counts what each statement did: see [`crate::statements`].
    pub fn with_statements(self) -> Self {
        Self { own_postgres: Some(&statements::SETTINGS), ..self }
    }

    /// A Postgres of its own that goes by this clock.
    pub fn postgres_clock(self, clock: &Steered) -> Self {
        Self { own_postgres: Some(&[]), postgres_env: clock.env(), ..self }
    }

    /// Whether the test may set the clock of its Postgres.
    pub fn sets_postgres_clock(&self) -> bool {
        !self.postgres_env.is_empty()
    }

    /// An API that goes by this clock.
    pub fn api_clock(mut self, clock: &Steered) -> Self {
        self.api_env.extend(clock.env().into_iter().map(|(name, value)| (name.to_owned(), value)));
        self
    }
}
