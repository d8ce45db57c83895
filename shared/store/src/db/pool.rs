//! Connections to Postgres that many share.

use satchel_model::ids::ShardCount;
use satchel_model::installation::Installation;

use super::connections::Connections;
use super::migrate;
use crate::{PoolConfig, StoreError};

/// A pool of connections; clones share it.
#[derive(Debug, Clone)]
pub struct Pool(pub(crate) Connections);

impl Pool {
    /// Makes the pool. It connects when it is first needed.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(config: &PoolConfig) -> Result<Self, StoreError> {
        Ok(Self(Connections::new(config)?))
    }

    /// Asks Postgres for a sign of life.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query!("SELECT 1 AS one").fetch_one(&self.0).await?;
        Ok(())
    }

    /// What the database says of itself.
    ///
    /// # Errors
    /// [`StoreError::NotMigrated`] if it has no schema, [`StoreError::OldSchema`] or [`StoreError::OtherSchema`] if it has
    /// one that this program does not work with.
    pub async fn installation(&self) -> Result<Installation, StoreError> {
        migrate::check(&self.0).await?;
        let row = sqlx::query!(
            r#"SELECT installation_id, (SELECT count(*) FROM shard_leases) AS "shards!" FROM queue_state WHERE singleton"#
        );
        let row = row.fetch_one(&self.0).await?;
        let shards = u16::try_from(row.shards).ok().and_then(ShardCount::new).ok_or(StoreError::NotMigrated)?;
        Ok(Installation { id: row.installation_id, shards })
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.0.close().await;
    }
}
