//! What makes connections, and the connection: every call has a deadline.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use redis::aio::{ConnectionManager, ConnectionManagerConfig, PubSub};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::batch::{Batch, Group};
use crate::queue::QueueError;

/// How many shards of a cluster are spoken to at a time, per call.
const MAX_GROUPS_IN_FLIGHT: usize = 64;

impl From<RedisError> for QueueError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::Server(
                ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask,
            ) => Self::Unavailable(error.into()),
            ErrorKind::Server(
                ServerErrorKind::ReadOnly | ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown,
            ) => Self::Refused(error.into()),
            _ if matches!(error.code(), Some("OOM" | "MISCONF" | "BUSY" | "NOREPLICAS")) => Self::Refused(error.into()),
            _ => Self::Protocol(error.into()),
        }
    }
}

/// Nothing came back in time.
pub(super) fn no_answer() -> QueueError {
    RedisError::from((ErrorKind::Io, "no answer in time")).into()
}

/// What makes connections.
#[derive(Clone)]
pub(super) enum Client {
    /// To one server.
    Server(Box<redis::Client>),
    /// To a cluster.
    Cluster {
        cluster: Box<ClusterClient>,
        /// The nodes that were given.
        nodes: Arc<[redis::Client]>,
    },
}

impl Client {
    /// A connection that makes itself when it is first needed, and anew after a loss. To be called in a Tokio runtime.
    pub(super) fn connect(&self, deadline: Duration) -> Result<Connection, QueueError> {
        let link = match self {
            Self::Server(client) => {
                let config = ConnectionManagerConfig::new()
                    .set_connection_timeout(Some(deadline))
                    // Each call has its deadline here, connecting included: another timer for the answer adds nothing.
                    .set_response_timeout(None)
                    // A call should fail while Redis is away, not queue up: the next one tries to connect again.
                    .set_number_of_retries(1)
                    .set_max_delay(Duration::from_millis(100));
                Link::Server(ConnectionManager::new_lazy_with_config(client.as_ref().clone(), config)?)
            }
            Self::Cluster { cluster, .. } => {
                Link::Cluster(cluster.get_pending_async_connection_with_config(ClusterConfig::new()))
            }
        };
        Ok(Connection { link, deadline })
    }

    /// Whether it logs in as another user than Redis's own one.
    pub(super) fn has_own_user(&self) -> bool {
        let node = match self {
            Self::Server(client) => Some(client.as_ref()),
            Self::Cluster { nodes, .. } => nodes.first(),
        };
        let name = node.and_then(|node| node.get_connection_info().redis_settings().username());
        name.is_some_and(|name| name != "default")
    }

    /// A connection for messages, to the first server that answers: a cluster's nodes pass messages on to each other.
    pub(super) async fn subscriber(&self, deadline: Duration) -> Result<PubSub, QueueError> {
        let nodes = match self {
            Self::Server(client) => std::slice::from_ref(client.as_ref()),
            Self::Cluster { nodes, .. } => nodes,
        };
        let mut failure = no_answer();
        for node in nodes {
            match tokio::time::timeout(deadline, node.get_async_pubsub()).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => failure = error.into(),
                Err(_) => failure = no_answer(),
            }
        }
        Err(failure)
    }
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) struct Connection {
    link: Link,
    deadline: Duration,
}

#[derive(Clone)]
enum Link {
    Server(ConnectionManager),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Whether one command can only name keys of one shard.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.link, Link::Cluster(_))
    }

    /// Sends a command.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        self.in_time(async {
            match self.link.clone() {
                Link::Server(mut manager) => command.query_async(&mut manager).await,
                Link::Cluster(mut cluster) => command.query_async(&mut cluster).await,
            }
        })
        .await
    }

    /// Sends a command to every server that takes writes.
    pub(super) async fn run_everywhere(&self, command: Cmd) -> Result<Vec<Value>, QueueError> {
        let Link::Cluster(mut cluster) = self.link.clone() else {
            return Ok(vec![self.run(&command).await?]);
        };
        let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        match self.in_time(cluster.route_command(command, everywhere)).await? {
            // By address.
            Value::Map(answers) => Ok(answers.into_iter().map(|(_, answer)| answer).collect()),
            _ => Err(QueueError::Protocol("the cluster's answer is not one by node".into())),
        }
    }

    /// Sends commands in one go; each has its own answer, in the order of the batch.
    ///
    /// # Errors
    /// If none was answered.
    pub(super) async fn run_each(&self, batch: Batch) -> Result<Vec<Result<Value, QueueError>>, QueueError> {
        let answers = match self.link.clone() {
            Link::Server(mut manager) => {
                let mut pipeline = Pipeline::with_capacity(batch.len());
                for command in batch.into_commands() {
                    pipeline.add_command(command);
                }
                let sending = pipeline.ignore_errors().query_async::<Vec<RedisResult<Value>>>(&mut manager);
                self.in_time(sending).await?
            }
            Link::Cluster(cluster) => self.in_time(Box::pin(run_groups(cluster, batch))).await?,
        };
        Ok(answers.into_iter().map(|answer| answer.map_err(QueueError::from)).collect())
    }

    /// Sends commands in one go; the first error is the error of all.
    pub(super) async fn run_all(&self, batch: Batch) -> Result<(), QueueError> {
        self.run_each(batch).await?.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Connecting, too, must not take longer than an answer may.
    async fn in_time<T>(&self, call: impl Future<Output = RedisResult<T>>) -> Result<T, QueueError> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(no_answer()),
        }
    }
}

/// Sends a batch to a cluster, shard by shard; what goes later only if all before it was done.
async fn run_groups(cluster: ClusterConnection, batch: Batch) -> RedisResult<Vec<RedisResult<Value>>> {
    let mut answers: Vec<_> = (0..batch.len()).map(|_| Err((ErrorKind::Io, "no answer").into())).collect();
    let mut is_complete = true;
    for phase in batch.into_groups() {
        let mut groups =
            stream::iter(phase).map(|group| run_group(cluster.clone(), group)).buffer_unordered(MAX_GROUPS_IN_FLIGHT);
        while let Some(group) = groups.next().await {
            for (place, answer) in group {
                is_complete &= answer.is_ok();
                if let Some(slot) = answers.get_mut(place) {
                    *slot = answer;
                }
            }
        }
        if !is_complete {
            break;
        }
    }
    // As with one server: if nothing at all came back, that is one error.
    let is_away = |answer: &RedisResult<Value>| matches!(answer, Err(error) if error.kind() == ErrorKind::Io);
    if answers.iter().all(is_away)
        && let Some(Err(error)) = answers.pop()
    {
        Err(error)
    } else {
        Ok(answers)
    }
}

/// The client follows redirections of pipelines as well, by sending the whole pipeline again: what was done the first
/// time is done twice, which the worker takes for the repetition that it is.
async fn run_group(mut cluster: ClusterConnection, group: Group) -> Vec<(usize, RedisResult<Value>)> {
    let (places, commands): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let mut pipeline = Pipeline::with_capacity(commands.len());
    for command in commands {
        pipeline.add_command(command);
    }
    let answers: RedisResult<Vec<RedisResult<Value>>> = pipeline.ignore_errors().query_async(&mut cluster).await;
    let answers = answers.unwrap_or_else(|error| places.iter().map(|_| Err(error.clone())).collect());
    places.into_iter().zip(answers).collect()
}
