//! One connection of one's own, and transactions on it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Transaction};

use super::durability::make_durable;
use super::vigil::{Backend, Subject, Vigil, asking};
use crate::{Pool, PoolConfig, StoreError};

/// A connection that is made when it is needed, and made anew after [`Session::reset`].
///
/// The driver waits for answers without end: whoever cannot do so calls over [`Session::run`].
pub struct Session {
    options: PgConnectOptions,
    /// For who has to ask after it.
    asking: Arc<PgConnectOptions>,
    connect_deadline_ms: u64,
    connection: Option<PgConnection>,
    backend: Arc<Backend>,
}

/// An open transaction; dropped without [`Tx::commit`], it is rolled back.
pub struct Tx<'s>(pub(crate) Transaction<'s, sqlx::Postgres>);

impl Session {
    /// Of nothing yet; of the pool's limits only those of one connection count.
    ///
    /// # Errors
    /// If the URL cannot be read.
    pub fn new(config: &PoolConfig) -> Result<Self, StoreError> {
        Ok(Self::of(config.connect_options()?, config.acquire_timeout_ms))
    }

    /// Like one of the pool's connections, but beside them: the pool does not count it.
    #[must_use]
    pub fn beside(pool: &Pool) -> Self {
        Self::of(pool.0.connect_options(), u64::try_from(pool.0.patience().as_millis()).unwrap_or(u64::MAX))
    }

    fn of(options: PgConnectOptions, connect_deadline_ms: u64) -> Self {
        let asking = asking(&options);
        Self { options, asking, connect_deadline_ms, connection: None, backend: Arc::default() }
    }

    /// The call's answer, if it comes within `deadline_ms` milliseconds and while Postgres works at it. If not, or if the call
    /// fails, the session is reset: nobody knows what its connection is in the middle of, and a transaction that is only dropped
    /// stays open, with its locks, until the connection is used again. What fails so may have happened.
    ///
    /// # Errors
    /// The call's own, [`StoreError::Lost`] or [`StoreError::Deadline`].
    pub async fn run<T, E: From<StoreError>>(
        &mut self,
        deadline_ms: u64,
        call: impl AsyncFnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let vigil = Vigil::new(&self.asking, Subject::Backend(Arc::clone(&self.backend)));
        // Large, and awaited through several layers.
        let answer = vigil.over(deadline_ms, Box::pin(call(self))).await;
        answer.inspect_err(|_| self.reset())
    }

    /// Whether there is a connection, which may have been cut since it was last used.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Drops the connection. A transaction on it ends with it.
    pub fn reset(&mut self) {
        self.backend.is_none_now();
        self.connection = None;
    }

    /// Opens a transaction.
    ///
    /// # Errors
    /// If Postgres is away.
    pub async fn begin(&mut self) -> Result<Tx<'_>, StoreError> {
        Ok(Tx(self.connection().await?.begin().await?))
    }

    /// Says good-bye to Postgres.
    pub async fn close(self) {
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            tracing::debug!(%error, "a connection did not close in order");
        }
    }

    pub(crate) async fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        self.backend.is_none_now();
        let deadline_ms = self.connect_deadline_ms;
        let connecting = PgConnection::connect_with(&self.options);
        let durable = async {
            let mut connection = connecting.await?;
            make_durable(&mut connection).await?;
            let backend = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
            self.backend.is_now(backend);
            Ok(connection)
        };
        let connected = tokio::time::timeout(Duration::from_millis(deadline_ms), durable).await;
        connected.unwrap_or(Err(StoreError::Deadline { deadline_ms }))
    }
}

impl Tx<'_> {
    /// Makes everything in the transaction durable and visible, or nothing.
    ///
    /// # Errors
    /// If Postgres refused, or its answer was lost, in which case it may have happened all the same.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

/// Gives each of the transaction's statements so long, in milliseconds, whatever the session gives them.
pub(crate) async fn limit_statements(connection: &mut PgConnection, limit_ms: u32) -> Result<(), sqlx::Error> {
    sqlx::query!("SELECT set_config('statement_timeout', $1, true)", limit_ms.to_string())
        .fetch_one(connection)
        .await?;
    Ok(())
}
