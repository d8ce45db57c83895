//! The connection: every call has a deadline.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::batch::{Batch, Group};
use super::client::{Client, Wire};
use super::keys;
use super::link::{Limits, Link};
use super::outage::Outage;
use crate::QueueError;

/// How many shards of a cluster are spoken to at a time, per call.
const MAX_GROUPS_IN_FLIGHT: usize = 64;

/// A connection: see [`Link`]. Clones share it.
#[derive(Clone)]
pub(super) struct Connection(Link);

impl Connection {
    /// One that makes itself when it is first needed, and anew after each loss.
    pub(super) fn new(client: &Client, limits: Limits, outage: &Arc<Outage>) -> Self {
        Self(Link::new(client.clone(), limits, Arc::clone(outage)))
    }

    /// Whether one command can only name keys of one shard.
    pub(super) fn is_cluster(&self) -> bool {
        self.0.is_cluster()
    }

    /// Whether it was ever needed.
    pub(super) fn is_used(&self) -> bool {
        self.0.is_used()
    }

    /// Whether a Redis answers over this very connection that takes writes.
    ///
    /// # Errors
    /// If not.
    pub(super) async fn check(&self) -> Result<(), QueueError> {
        if let Some(error) = self.0.trouble() {
            return Err(error.into());
        }
        match self.run::<Value>(&keys::harmless_write()).await {
            Err(error) if matches!(error, QueueError::Unavailable(_)) || is_read_only(&error) => Err(error),
            // Whoever is refused for another reason has an answer all the same.
            _ => Ok(()),
        }
    }

    /// Sends a command.
    pub(super) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, QueueError> {
        let answer = self.0.call(|wire| async move {
            match wire {
                Wire::Server(mut server) => command.query_async(&mut server).await,
                Wire::Cluster(mut cluster) => command.query_async(&mut cluster).await,
            }
        });
        Ok(answer.await?)
    }

    /// Sends a command to every server that takes writes.
    pub(super) async fn run_everywhere(&self, command: &Cmd) -> Result<Vec<Value>, QueueError> {
        let everywhere = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
        let answer = self.0.call(|wire| {
            let everywhere = everywhere.clone();
            async move {
                match wire {
                    Wire::Server(mut server) => Ok(vec![command.query_async(&mut server).await?]),
                    Wire::Cluster(mut cluster) => match cluster.route_command(command.clone(), everywhere).await? {
                        // By address.
                        Value::Map(answers) => Ok(answers.into_iter().map(|(_, answer)| answer).collect()),
                        _ => Err((ErrorKind::UnexpectedReturnType, "the cluster's answer is not one by node").into()),
                    },
                }
            }
        });
        Ok(answer.await?)
    }

    /// Sends commands in one go; each has its own answer, in the order of the batch.
    ///
    /// # Errors
    /// If none was answered.
    pub(super) async fn run_each(&self, batch: Batch) -> Result<Vec<Result<Value, QueueError>>, QueueError> {
        let answers = if self.is_cluster() {
            let batch = &batch;
            let sending = self.0.call(|wire| async move {
                let Wire::Cluster(cluster) = wire else { return Err(not_of_the_kind()) };
                Box::pin(run_groups(cluster, batch.clone())).await
            });
            sending.await?
        } else {
            let mut pipeline = Pipeline::with_capacity(batch.len());
            for command in batch.into_commands() {
                pipeline.add_command(command);
            }
            pipeline.ignore_errors();
            let pipeline = &pipeline;
            let sending = self.0.call(|wire| async move {
                let Wire::Server(mut server) = wire else { return Err(not_of_the_kind()) };
                pipeline.query_async::<Vec<RedisResult<Value>>>(&mut server).await
            });
            sending.await?
        };
        let answers = answers.into_iter().map(|answer| answer.inspect_err(|error| self.0.heard(error)));
        Ok(answers.map(|answer| answer.map_err(QueueError::from)).collect())
    }

    /// Sends commands in one go; the first error is the error of all.
    pub(super) async fn run_all(&self, batch: Batch) -> Result<(), QueueError> {
        self.run_each(batch).await?.into_iter().try_for_each(|answer| answer.map(drop))
    }
}

fn is_read_only(error: &QueueError) -> bool {
    let QueueError::Refused(source) = error else { return false };
    let error = source.downcast_ref::<RedisError>();
    error.is_some_and(|error| error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly))
}

/// A connection to a server is none to a cluster.
fn not_of_the_kind() -> RedisError {
    (ErrorKind::Client, "the connection is of another kind").into()
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
