//! Who is measured: Satchel, or what people would use instead. All are driven in the same way.

use std::net::SocketAddr;

use anyhow::Result;
use clap::ValueEnum;

use super::process::Child;
use super::servers::Servers;
use super::usage::Processes;
use crate::load::job::Accepted;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Satchel.
    Satchel,
    /// BullMQ and pg behind Fastify.
    Bullmq,
    /// BullMQ's crate and tokio-postgres behind axum.
    BullmqRust,
    /// graphile-worker behind Fastify.
    Graphile,
    /// Restate behind Fastify, a virtual object per player.
    Restate,
}

impl Kind {
    /// All of them, in the order of tables.
    pub(crate) const ALL: [Self; 5] = [Self::Satchel, Self::Bullmq, Self::BullmqRust, Self::Graphile, Self::Restate];

    /// As it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Satchel => "satchel",
            Self::Bullmq => "bullmq",
            Self::BullmqRust => "bullmq-rust",
            Self::Graphile => "graphile",
            Self::Restate => "restate",
        }
    }

    /// Whether its reads are its own: those of all that are behind Fastify are the same program.
    pub(crate) fn has_reads_of_its_own(self) -> bool {
        matches!(self, Self::Satchel | Self::Bullmq | Self::BullmqRust)
    }

    /// Whether it promises that a user's jobs are applied in the order accepted.
    pub(crate) fn promises_order(self) -> bool {
        matches!(self, Self::Satchel | Self::Restate)
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
    /// A server of its own, beside Postgres and Redis.
    fn own_server(&self) -> Option<&Child> {
        None
    }

    /// Its processes now, without this program.
    fn processes(&self) -> Processes {
        let ((api, workers), servers) = (self.programs(), self.servers());
        Processes {
            api: Some(api.pid()),
            workers: workers.iter().map(Child::pid).collect(),
            redis: Some(servers.redis.pid()),
            restate: self.own_server().map(Child::pid),
            postgres: Some(servers.postgres.pid()),
        }
    }

    /// Fails if any of its programs has ended by itself.
    fn check_runs(&self) -> Result<()> {
        let (api, workers) = self.programs();
        workers.iter().chain([api]).chain(self.own_server()).try_for_each(Child::check_runs)
    }
}
