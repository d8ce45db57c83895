//! Who is measured: Satchel, or what people would use instead. All are driven in the same way.

use std::net::SocketAddr;

use anyhow::Result;

use super::process::Child;
use super::servers::Servers;
use super::usage::Processes;
use crate::load::job::Accepted;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Satchel.
    Satchel,
    /// BullMQ and pg behind Fastify.
    Bullmq,
    /// graphile-worker behind Fastify.
    Graphile,
}

impl Kind {
    /// As it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Satchel => "satchel",
            Self::Bullmq => "bullmq",
            Self::Graphile => "graphile",
        }
    }
}

/// A system that accepts jobs by HTTP and applies them to the tables `jobs`, `inventory` and `ledger` of its Postgres.
pub(crate) trait Contender {
    /// Which one.
    fn kind(&self) -> Kind;
    /// What it stands on.
    fn servers(&self) -> &Servers;
    /// Where its API listens.
    fn address(&self) -> SocketAddr;
    /// A token that its API takes, valid for a day: `role` is `service`, `operator` or `player`.
    fn token(&self, role: &str, subject: &str) -> Result<String>;
    /// Starts so many worker processes beside those that run, and waits until they take jobs.
    fn start_workers(&mut self, count: usize) -> Result<()>;
    /// Stops all workers in order.
    fn stop_workers(&mut self);
    /// With how many worker processes it does best on this machine.
    fn best_workers(&self) -> usize;
    /// Queues so many jobs, half rewards and half uses, as fast as it can, `hot_percent` of them for one user.
    /// Gives those that it knows the ids of, each user's in order.
    fn fill(&mut self, jobs: usize, hot_percent: u8) -> Result<Vec<Accepted>>;
    /// The jobs that have given the users their stock; none of a peer, whose stock is part of its tables from the start.
    fn stock(&self) -> &[Accepted];
    /// Its API and its workers.
    fn programs(&self) -> (&Child, &[Child]);

    /// Its processes now, without this program.
    fn processes(&self) -> Processes {
        let ((api, workers), servers) = (self.programs(), self.servers());
        Processes {
            api: Some(api.pid()),
            workers: workers.iter().map(Child::pid).collect(),
            redis: Some(servers.redis.pid()),
            postgres: Some(servers.postgres.pid()),
        }
    }

    /// Fails if any of its programs has ended by itself.
    fn check_runs(&self) -> Result<()> {
        let (api, workers) = self.programs();
        workers.iter().chain([api]).try_for_each(Child::check_runs)
    }
}
