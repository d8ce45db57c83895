//! The connection to Redis. Every call has a deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{
    Client, Cmd, ConnectionInfo, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, RedisError, RedisResult,
    ServerErrorKind,
};
use secrecy::{ExposeSecret, SecretString};

use crate::config::Env;
use crate::domain::ShardCount;

/// How to reach Redis.
#[derive(Debug, Clone)]
pub struct Config {
    /// `redis://[user]:password@host:port/db`.
    pub url: SecretString,
    /// Longest wait for an answer, in milliseconds.
    pub deadline_ms: u32,
}

impl Config {
    /// Reads `REDIS_URL`.
    pub fn from_env(env: &mut Env) -> Self {
        let url = env.secret("REDIS_URL");
        // An empty one was noted as missing.
        if !url.expose_secret().is_empty()
            && let Err(error) = Client::open(url.expose_secret())
        {
            env.fault("REDIS_URL", error);
        }
        Self { url, deadline_ms: 2_000 }
    }

    fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms.into())
    }
}

/// What went wrong between Satchel and Redis.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// No answer, or none in time. What was asked may have happened all the same.
    #[error("Redis is away: {0}")]
    Unavailable(#[source] RedisError),
    /// Redis takes no more: out of memory, its disk full, a replica, or busy with a script.
    #[error("Redis refuses to write: {0}")]
    Refused(#[source] RedisError),
    /// Redis answered with an error that no waiting mends.
    #[error("Redis: {0}")]
    Protocol(#[source] RedisError),
}

impl QueueError {
    /// Nothing came back in time.
    pub(super) fn no_answer() -> Self {
        Self::Unavailable((ErrorKind::Io, "no answer in time").into())
    }
}

impl From<RedisError> for QueueError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io | ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown) => {
                Self::Unavailable(error)
            }
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::Refused(error),
            _ if matches!(error.code(), Some("OOM" | "MISCONF" | "BUSY" | "NOREPLICAS")) => Self::Refused(error),
            _ => Self::Protocol(error),
        }
    }
}

/// How many connections a queue spreads its calls over. Between two writes to disk Redis takes at most 16 KiB from
/// each connection (`PROTO_IOBUF_LEN`), about a dozen jobs: with one connection, that would be all that a write to
/// disk carries. With many, each carries too little to make up for its system calls.
const CONNECTIONS: usize = 4;

/// The queue. Clones share its connections.
#[derive(Clone)]
pub struct Queue {
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) shards: ShardCount,
    connections: Arc<[Connection]>,
    next: Arc<AtomicUsize>,
}

impl Queue {
    /// Makes a queue of so many shards. It connects when it is first needed, and again after each loss.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(config: &Config, shards: ShardCount) -> Result<Self, QueueError> {
        let client = Client::open(tcp_settings(config.url.expose_secret().into_connection_info()?, config.deadline()))?;
        let connections =
            (0..CONNECTIONS).map(|_| Connection::new(&client, config.deadline())).collect::<Result<_, _>>()?;
        Ok(Self { client, config: config.clone(), shards, connections, next: Arc::default() })
    }

    /// The number of shards.
    #[must_use]
    pub fn shards(&self) -> ShardCount {
        self.shards
    }

    /// The connection whose turn it is. What one call sends goes over one connection, and so stays in order.
    pub(super) fn connection(&self) -> Result<&Connection, QueueError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % CONNECTIONS;
        self.connections.get(turn).ok_or_else(|| QueueError::Protocol((ErrorKind::Client, "no connection").into()))
    }

    /// The deadline of a call.
    pub(super) fn deadline(&self) -> Duration {
        self.config.deadline()
    }
}

/// Without delay for small commands, and with an end for a connection whose other side is gone without a word: the
/// system would keep it for a quarter of an hour.
fn tcp_settings(info: ConnectionInfo, silence: Duration) -> ConnectionInfo {
    let settings = TcpSettings::default().set_nodelay(true);
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(2 * silence);
    info.set_tcp_settings(settings)
}

/// A connection that makes itself anew after a loss, in which every answer has a deadline.
#[derive(Clone)]
pub(super) struct Connection {
    manager: ConnectionManager,
    deadline: Duration,
}

impl Connection {
    pub(super) fn new(client: &Client, deadline: Duration) -> Result<Self, QueueError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(deadline))
            .set_response_timeout(Some(deadline))
            // A call should fail while Redis is away, not queue up: the next one tries to connect again.
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(100));
        Ok(Self { manager: ConnectionManager::new_lazy_with_config(client.clone(), config)?, deadline })
    }

    /// Sends a command.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        let mut manager = self.manager.clone();
        self.in_time(command.query_async(&mut manager)).await
    }

    /// Sends commands in one go; each has its own answer.
    pub(super) async fn run_each<T: FromRedisValue>(
        &self,
        pipeline: &mut Pipeline,
    ) -> Result<Vec<Result<T, QueueError>>, QueueError> {
        let mut manager = self.manager.clone();
        let answers: Vec<RedisResult<T>> = self.in_time(pipeline.ignore_errors().query_async(&mut manager)).await?;
        Ok(answers.into_iter().map(|answer| answer.map_err(QueueError::from)).collect())
    }

    /// Sends commands in one go; the first error is the error of all.
    pub(super) async fn run_all(&self, pipeline: &mut Pipeline) -> Result<(), QueueError> {
        let answers: Vec<Result<redis::Value, _>> = self.run_each(pipeline).await?;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Connecting, too, must not take longer than an answer may.
    async fn in_time<T>(&self, call: impl Future<Output = RedisResult<T>>) -> Result<T, QueueError> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(QueueError::no_answer()),
        }
    }
}
