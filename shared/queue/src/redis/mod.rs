//! The queue in Redis, one server or a cluster: two streams per shard, one for each class, and beside them the delayed
//! jobs.

mod backlog;
mod batch;
mod client;
mod config;
mod connection;
mod consumer;
mod delayed;
mod depths;
mod durability;
mod failure;
mod found;
mod keys;
mod life;
mod link;
mod mark;
mod outage;
mod page;
mod pending;
mod producer;
mod scripts;
mod sought;
mod streams;
mod submit;
mod subscriber;
mod watermark;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use satchel_model::ids::ReplicaId;
use satchel_model::ids::{JobId, Shard, ShardCount, UserId};
use satchel_model::installation::Installation;
use satchel_model::operations::Envelope;
use satchel_wire::envelope::EnvelopeKey;

use self::client::Client;
use self::connection::Connection;
use self::consumer::RedisConsumer;
use self::found::Finder;
use self::link::Limits;
use self::outage::Outage;
use self::producer::Arrival;
use super::{Claim, Consumer, Depth, Durability, Entry, Outcome, Pending, Queue, QueueError, Raise, Sought, Watermark};

pub use config::Config;

/// How many connections a queue spreads its calls over, as they are needed. Between two writes to disk Redis takes at most 16 KiB from
/// each connection (`PROTO_IOBUF_LEN`), about a dozen jobs: with one connection, that would be all that a write to
/// disk carries. With many, each carries too little to make up for its system calls.
const CONNECTIONS: usize = 8;

/// How many of them a thread uses in turn. A connection is driven by the runtime of the thread that used it first; if
/// that is the only one that uses it, nobody is woken on another core to send a job or to be told of its answer.
const CONNECTIONS_PER_THREAD: usize = 2;

/// Nothing more is asked over a connection that has been silent for so long. Redis writes to disk in less, as a rule.
const SILENCE: Duration = Duration::from_millis(500);

thread_local! {
    /// The thread's number among those that use queues.
    static THREAD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed)
    };
}

/// See the module.
pub(super) struct RedisQueue {
    client: Client,
    deadline: Duration,
    shards: ShardCount,
    connections: Vec<Connection>,
    next: AtomicUsize,
    /// For what is asked again and again beside the jobs, by tasks that any thread may run.
    beside: Connection,
    /// Whether the login is Redis's own user, who may do everything.
    may_ask_config: bool,
    finder: Finder,
    outage: Arc<Outage>,
}

impl RedisQueue {
    pub(super) fn new(config: &Config, installation: &Installation) -> Result<Self, QueueError> {
        let shards = installation.shards;
        let (client, deadline) = (Client::new(config.servers()?, installation), config.deadline());
        let outage = Arc::default();
        // A cluster's other nodes may be well: its connections are made anew one by one.
        let silence = if client.is_cluster() { deadline } else { SILENCE };
        let limits = Limits { deadline, silence };
        let connections = (0..CONNECTIONS).map(|_| Connection::new(&client, limits, &outage)).collect();
        let beside = Connection::new(&client, limits, &outage);
        let may_ask_config = !client.has_own_user();
        let (next, finder) = (AtomicUsize::default(), Finder::default());
        Ok(Self { client, deadline, shards, connections, next, beside, may_ask_config, finder, outage })
    }

    /// The connection whose turn it is. What one call sends goes over one connection, and so stays in order.
    fn connection(&self) -> Result<&Connection, QueueError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS_PER_THREAD;
        let index = THREAD.with(|thread| thread * CONNECTIONS_PER_THREAD + turn) % CONNECTIONS;
        self.connections.get(index).ok_or_else(|| QueueError::Protocol("no connection".into()))
    }
}

#[async_trait]
impl Queue for RedisQueue {
    fn shards(&self) -> ShardCount {
        self.shards
    }

    async fn enqueue(
        &self,
        key: &EnvelopeKey,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        producer::enqueue(self.connection()?, self.shards, key, envelopes.iter(), Arrival::New).await
    }

    async fn submit(
        &self,
        key: &EnvelopeKey,
        envelopes: &[&Envelope],
    ) -> Result<Vec<Result<Claim, QueueError>>, QueueError> {
        submit::submit(self.connection()?, self.shards, key, envelopes).await
    }

    async fn restore(
        &self,
        key: &EnvelopeKey,
        envelopes: &[Envelope],
    ) -> Result<Vec<Result<(), QueueError>>, QueueError> {
        producer::enqueue(self.connection()?, self.shards, key, envelopes.iter(), Arrival::Again).await
    }

    async fn withdraw(&self, user_id: &UserId, job_id: JobId) -> Result<(), QueueError> {
        let mut batch = batch::Batch::default();
        pending::forget(self.shards, &[job_id], &mut batch);
        let shard = self.shards.of_user(user_id);
        let mut command = scripts::run(scripts::WITHDRAW, shard);
        command.arg(job_id.to_string());
        batch.add(shard, command);
        self.connection()?.run_all(batch).await
    }

    async fn claim(&self, jobs: &[Pending]) -> Result<Vec<Claim>, QueueError> {
        pending::claim(self.connection()?, self.shards, jobs).await
    }

    async fn look(&self, jobs: &[Pending]) -> Result<Vec<Claim>, QueueError> {
        pending::look(self.connection()?, self.shards, jobs).await
    }

    async fn waits(&self, jobs: &[Sought]) -> Result<Vec<bool>, QueueError> {
        sought::waits(self.connection()?, self.shards, jobs).await
    }

    async fn pending(&self, job_id: JobId) -> Result<Option<Pending>, QueueError> {
        let connection = self.connection()?;
        if job_id.is_of_key() {
            pending::find(connection, self.shards, job_id).await
        } else {
            self.finder.find(connection, self.shards, job_id).await
        }
    }

    async fn forget(&self, job_ids: &[JobId]) -> Result<(), QueueError> {
        let mut batch = batch::Batch::default();
        pending::forget(self.shards, job_ids, &mut batch);
        self.connection()?.run_all(batch).await
    }

    fn consumer(&self, block_ms: u32) -> Result<Box<dyn Consumer>, QueueError> {
        // One call at a time, which is silent while it blocks.
        let deadline = self.deadline + Duration::from_millis(block_ms.into());
        let limits = Limits { deadline, silence: deadline };
        Ok(Box::new(RedisConsumer::new(Connection::new(&self.client, limits, &self.outage), self.shards)))
    }

    async fn heads(&self, shards: &[Shard]) -> Result<Vec<Entry>, QueueError> {
        depths::heads(self.connection()?, shards).await
    }

    async fn depths(&self, shards: &[Shard]) -> Result<Vec<Depth>, QueueError> {
        depths::depths(self.connection()?, shards).await
    }

    async fn raise_watermarks(&self, raises: &[Raise]) -> Result<Vec<Watermark>, QueueError> {
        watermark::raise(&self.beside, raises).await
    }

    async fn listen(
        &self,
        key: &EnvelopeKey,
        replica: ReplicaId,
        deliver: &(dyn Fn(Outcome) + Send + Sync),
    ) -> Result<(), QueueError> {
        subscriber::listen(&self.client, self.deadline, key, replica, deliver).await
    }

    async fn durability(&self) -> Result<Durability, QueueError> {
        // Whoever asks means the connections that jobs go over: one of them may be dead while others are well.
        try_join_all(self.connections.iter().filter(|connection| connection.is_used()).map(Connection::check)).await?;
        durability::ask(self.connection()?, self.may_ask_config).await
    }

    async fn try_write(&self) -> Result<(), QueueError> {
        durability::try_write(self.connection()?, self.shards).await
    }
}
