//! What makes connections.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, RedisResult};
use satchel_model::installation::Installation;

use super::failure::{is_foreign, no_answer};
use super::mark::Mark;
use crate::QueueError;

/// What carries calls. Clones share it.
#[derive(Clone)]
pub(super) enum Wire {
    Server(MultiplexedConnection),
    /// It makes the connections to its nodes anew by itself.
    Cluster(ClusterConnection),
}

/// Where connections lead to.
#[derive(Clone)]
pub(super) enum Servers {
    /// One server.
    One(Box<redis::Client>),
    /// A cluster.
    Cluster {
        cluster: Box<ClusterClient>,
        /// The nodes that were given.
        nodes: Arc<[redis::Client]>,
    },
}

/// What makes connections.
#[derive(Clone)]
pub(super) struct Client {
    servers: Servers,
    mark: Mark,
}

impl Client {
    pub(super) fn new(servers: Servers, installation: &Installation) -> Self {
        Self { servers, mark: Mark::of(installation) }
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster { .. })
    }

    /// A new connection, over which a Redis has answered that takes writes and is no other installation's.
    pub(super) async fn wire(&self, deadline: Duration) -> RedisResult<Wire> {
        match &self.servers {
            Servers::One(client) => {
                // Each call has its deadline: another timer for the answer adds nothing.
                let config =
                    AsyncConnectionConfig::new().set_connection_timeout(Some(deadline)).set_response_timeout(None);
                let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                self.mark.leave(&mut connection).await?;
                Ok(Wire::Server(connection))
            }
            Servers::Cluster { cluster, .. } => {
                let mut connection = cluster.get_async_connection().await?;
                // Where the node of that key is away, the others are well.
                match tokio::time::timeout(deadline / 4, self.mark.leave(&mut connection)).await {
                    Ok(Err(error)) if is_foreign(&error) => Err(error),
                    _ => Ok(Wire::Cluster(connection)),
                }
            }
        }
    }

    /// Whether it logs in as another user than Redis's own one.
    pub(super) fn has_own_user(&self) -> bool {
        let node = match &self.servers {
            Servers::One(client) => Some(client.as_ref()),
            Servers::Cluster { nodes, .. } => nodes.first(),
        };
        let name = node.and_then(|node| node.get_connection_info().redis_settings().username());
        name.is_some_and(|name| name != "default")
    }

    /// A connection for messages, to the first server that answers: a cluster's nodes pass messages on to each other.
    pub(super) async fn subscriber(&self, deadline: Duration) -> Result<PubSub, QueueError> {
        let nodes = match &self.servers {
            Servers::One(client) => std::slice::from_ref(client.as_ref()),
            Servers::Cluster { nodes, .. } => nodes,
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
