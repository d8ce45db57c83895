//! Connections that many share, where one that died while nobody used it costs nobody an answer.
//!
//! A dead connection shows it at its next statement only, and to ask each before its use would cost a round trip. So one
//! is asked that has rested for a while, or since another was found dead. What only reads, and the beginning of a
//! transaction, is tried once more on another one; what may have taken effect is not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::pool::{PoolConnection, PoolConnectionMetadata};
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo,
};
use sqlx::{Connection, Describe, Either, Error, Execute, Executor, Postgres, SqlStr, Transaction};
use tokio::time::timeout;

use super::durability::make_durable;
use super::vigil::{Subject, Vigil, asking};
use crate::{PoolConfig, StoreError};

/// A connection that rested for so long is asked before it is used. (Under load none does: they take turns.)
const RESTED: Duration = Duration::from_secs(1);
/// How long one has to answer that is asked: it has nothing else to do.
const PING_DEADLINE: Duration = Duration::from_secs(2);
/// How long a transaction may take to begin.
const BEGIN_DEADLINE: Duration = Duration::from_secs(2);
/// How often something is tried that cannot have taken effect.
const MAX_TRIES: u32 = 2;
/// The longest that anyone waits for one statement, in milliseconds. The server ends it before that.
const STATEMENT_DEADLINE_MS: u64 = 40_000;

/// See the module. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pool: PgPool,
    /// For who has to ask after a statement.
    asking: Arc<PgConnectOptions>,
    doubt: Doubt,
}

/// When a connection was last found dead: whatever was not used since may be dead as well.
#[derive(Debug, Clone, Default)]
struct Doubt(Arc<Mutex<Option<Instant>>>);

impl Doubt {
    fn arise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_about(&self, rested: Duration) -> bool {
        let arose = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rested >= RESTED || arose.is_some_and(|arose| arose.elapsed() <= rested)
    }
}

impl Connections {
    /// Of none yet; they are made as they are needed.
    pub(crate) fn new(config: &PoolConfig) -> Result<Self, StoreError> {
        let options = config.connect_options()?;
        let (asking, doubt) = (asking(&options), Doubt::default());
        let (before, after) = (doubt.clone(), doubt.clone());
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
            .test_before_acquire(false)
            .before_acquire(move |connection, known: PoolConnectionMetadata| {
                let is_asked = before.is_about(known.idle_for);
                Box::pin(async move { Ok(!is_asked || answers(connection).await) })
            })
            .after_release(move |connection, _| {
                // Somebody may have given up waiting for it because the way to Postgres is cut, which nobody is told
                // of; the pool itself would ask without end, and have one connection less for a quarter of an hour.
                let doubt = after.clone();
                Box::pin(async move {
                    let is_alive = answers(connection).await;
                    if !is_alive {
                        doubt.arise();
                    }
                    Ok(is_alive)
                })
            })
            .after_connect(|connection, _| Box::pin(make_durable(connection)))
            .connect_lazy_with(options);
        Ok(Self { pool, asking, doubt })
    }

    /// How long one waits for a connection.
    pub(crate) fn patience(&self) -> Duration {
        self.pool.options().get_acquire_timeout()
    }

    /// How connections are made.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.pool.connect_options().as_ref().clone()
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection that is alive as far as one can know without asking.
    pub(crate) async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        self.pool.acquire().await
    }

    /// Opens a transaction. A connection that turns out to be dead has done nothing by then: another one is taken.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Postgres>, Error> {
        for _ in 1..MAX_TRIES {
            let connection = self.acquire().await?;
            match timeout(BEGIN_DEADLINE, Transaction::begin(connection, None)).await {
                Ok(Err(error)) if is_cut(&error) => self.doubt.arise(),
                Ok(begun) => return begun,
                Err(_) => self.doubt.arise(),
            }
        }
        Transaction::begin(self.acquire().await?, None).await
    }

    /// One that has answered now.
    async fn checked(&self) -> Result<PoolConnection<Postgres>, Error> {
        for _ in 1..MAX_TRIES {
            let mut connection = self.acquire().await?;
            if answers(&mut connection).await {
                return Ok(connection);
            }
            drop(connection.detach());
            self.doubt.arise();
        }
        self.acquire().await
    }

    /// What a statement gives.
    async fn run(&self, asked: Asked) -> Result<Vec<Either<PgQueryResult, PgRow>>, Error> {
        let vigil = Vigil::new(&self.asking, Subject::Statement(asked.sql.clone()));
        let only_reads = only_reads(asked.sql.as_str());
        let mut tries = 0;
        loop {
            tries += 1;
            let mut connection = if only_reads { self.acquire().await? } else { self.checked().await? };
            let answer = {
                let answering = asked.over(&mut connection);
                vigil.over(STATEMENT_DEADLINE_MS, async { Ok::<_, StoreError>(answering.await?) }).await
            };
            let error = match answer {
                Ok(rows) => return Ok(rows),
                Err(StoreError::Database(error)) if !is_cut(&error) => return Err(error),
                Err(StoreError::Database(error)) => error,
                Err(_) => Error::PoolTimedOut,
            };
            // Nobody knows what it is in the middle of.
            drop(connection.detach());
            self.doubt.arise();
            if !only_reads || tries >= MAX_TRIES {
                return Err(error);
            }
            tracing::debug!(%error, "asking again on another connection");
        }
    }
}

/// A statement that can be sent again.
struct Asked {
    sql: SqlStr,
    arguments: Option<PgArguments>,
    is_kept: bool,
}

impl Asked {
    fn read<'q>(mut query: impl Execute<'q, Postgres>) -> Result<Self, Error> {
        let arguments = query.take_arguments().map_err(Error::Encode)?;
        Ok(Self { is_kept: query.persistent(), arguments, sql: query.sql() })
    }

    async fn over(&self, connection: &mut PgConnection) -> Result<Vec<Either<PgQueryResult, PgRow>>, Error> {
        match &self.arguments {
            Some(arguments) => {
                let query = sqlx::query_with(self.sql.clone(), arguments.clone()).persistent(self.is_kept);
                connection.fetch_many(query).try_collect().await
            }
            None => connection.fetch_many(sqlx::raw_sql(self.sql.clone())).try_collect().await,
        }
    }
}

impl<'p> Executor<'p> for &'_ Connections {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let connections = self.clone();
        let asked = Asked::read(query);
        let answer = async move { Ok::<_, Error>(stream::iter(connections.run(asked?).await?.into_iter().map(Ok))) };
        answer.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let connections = self.clone();
        let asked = Asked::read(query);
        async move { Ok(connections.run(asked?).await?.into_iter().find_map(Either::right)) }.boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        let connections = self.clone();
        async move { connections.checked().await?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        let connections = self.clone();
        async move { connections.checked().await?.describe(sql).await }.boxed()
    }
}

/// Whether a connection answers that has nothing else to do.
async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(PING_DEADLINE, connection.ping()).await, Ok(Ok(())))
}

/// Whether the connection is of no more use: the way to Postgres is cut, or Postgres has ended the session.
pub(crate) fn is_cut(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::Protocol(_) => true,
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout; connection exceptions
        Error::Database(error) => error
            .code()
            .is_some_and(|code| matches!(&*code, "57P01" | "57P02" | "57P03" | "57P05") || code.starts_with("08")),
        _ => false,
    }
}

/// Whether a statement has no effect, so that it may be sent again.
fn only_reads(sql: &str) -> bool {
    let mut words = sql.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let begins_so = words.find(|word| !word.is_empty()).is_some_and(|word| ["SELECT", "WITH"].contains(&word));
    begins_so && !words.any(|word| ["INSERT", "UPDATE", "DELETE", "MERGE", "nextval"].contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_surely_has_no_effect_counts_as_reading() {
        assert!(only_reads("SELECT 1") && only_reads("\n  WITH a AS (SELECT updated_at FROM b) SELECT * FROM a"));
        for sql in [
            "INSERT INTO a VALUES (1)",
            "WITH gone AS (DELETE FROM a) SELECT 1",
            "SELECT nextval('a')",
            "SELECT * FROM a FOR UPDATE",
            "",
        ] {
            assert!(!only_reads(sql), "{sql}");
        }
    }

    #[test]
    fn a_connection_is_doubted_that_rested_long_or_since_another_was_found_dead() {
        let doubt = Doubt::default();
        assert!(!doubt.is_about(Duration::ZERO) && doubt.is_about(RESTED));
        doubt.arise();
        assert!(doubt.is_about(Duration::from_millis(900)), "it was not used since");
        std::thread::sleep(Duration::from_millis(2));
        assert!(!doubt.is_about(Duration::ZERO), "it was used since");
    }
}
