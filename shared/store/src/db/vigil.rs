//! Waits for an answer of Postgres only as long as Postgres works at it.
//!
//! A statement may take long, and a connection may be dead without a word: its bytes are swallowed on the way. Who waits
//! cannot tell one from the other. So, when an answer is late, Postgres is asked over a second connection whether it
//! works at what was asked, and what is lost is given up.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Error, SqlStr};
use tokio::time::{sleep, timeout};

use crate::StoreError;

/// An answer is late after so long, in milliseconds: then Postgres is asked. After each call that was given up the next ones
/// have twice as long, up to the second of these: what takes long may be the way, which Postgres does not see.
const LATE_MS: u64 = 1_000;
const MAX_LATE_MS: u64 = 8_000;
/// How long they have it after the last one that was given up. (Not until one is answered: of a slow way's answers the short ones
/// come in time, and the next long one would be given up again.)
const LENIENT_FOR: Duration = Duration::from_mins(1);
/// How soon it is asked again, in milliseconds.
const LOOK_EVERY_MS: u64 = 500;
/// How long it has for one look, connecting included, in milliseconds.
const LOOK_DEADLINE_MS: u64 = 2_000;
/// So many looks in a row without any answer: Postgres cannot be reached at all, and what is waited for does not come.
const MAX_MISSES: u32 = 3;

/// How long Postgres has, in milliseconds, for a transaction or a round of a background task: longer than it lets any statement or
/// lock take.
pub const DEADLINE_MS: u64 = 40_000;

/// No backend.
const NONE: i32 = 0;

/// What Postgres is asked about.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// The backend of a connection.
    Backend(Arc<Backend>),
    /// Whoever works at this statement.
    Statement(SqlStr),
}

/// Who serves a connection.
#[derive(Debug)]
pub(crate) struct Backend {
    /// Its process id; [`NONE`] while there is none.
    process: AtomicI32,
    given_up: Mutex<Option<GivenUp>>,
}

/// The last call that was given up.
#[derive(Debug, Clone, Copy)]
struct GivenUp {
    at: Instant,
    /// After how long an answer is late since, in milliseconds.
    late_ms: u64,
}

impl Default for Backend {
    fn default() -> Self {
        Self { process: AtomicI32::new(NONE), given_up: Mutex::new(None) }
    }
}

impl Backend {
    /// It is this one now.
    pub(crate) fn is_now(&self, process: i32) {
        self.process.store(process, Ordering::Release);
    }

    /// There is none now.
    pub(crate) fn is_none_now(&self) {
        self.is_now(NONE);
    }

    /// After how long an answer is late, in milliseconds.
    fn late_ms(&self, now: Instant) -> u64 {
        let given_up = *self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = given_up.filter(|given_up| now.saturating_duration_since(given_up.at) < LENIENT_FOR);
        recent.map_or(LATE_MS, |given_up| given_up.late_ms)
    }

    fn note_given_up(&self, at: Instant) {
        let late_ms = self.late_ms(at).saturating_mul(2).min(MAX_LATE_MS);
        *self.given_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(GivenUp { at, late_ms });
    }
}

/// Why an answer is waited for no longer.
enum Missed {
    Lost,
    Late,
}

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Vigil {
    /// How to reach Postgres for asking: [`asking`].
    options: Arc<PgConnectOptions>,
    subject: Subject,
}

/// What a look shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// Somebody is at work, or nobody can tell.
    AtWork,
    /// The backend waits to be asked, since then; or nobody works at the statement.
    Rests(i32, Option<DateTime<Utc>>),
    /// There is no such backend.
    Gone,
}

impl Vigil {
    pub(crate) fn new(options: &Arc<PgConnectOptions>, subject: Subject) -> Self {
        Self { options: Arc::clone(options), subject }
    }

    /// The call's answer, if it comes before the deadline and while Postgres works at it. What fails so may have
    /// happened; the connection is of no more use.
    ///
    /// # Errors
    /// The call's own, [`StoreError::Lost`] or [`StoreError::Deadline`].
    pub(crate) async fn over<T, E: From<StoreError>>(
        &self,
        deadline_ms: u64,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let late_ms = match &self.subject {
            Subject::Backend(backend) => backend.late_ms(Instant::now()),
            Subject::Statement(_) => LATE_MS,
        };
        let answer = self.wait(late_ms.min(deadline_ms), deadline_ms, call).await;
        if let (Subject::Backend(backend), Err(_)) = (&self.subject, &answer) {
            backend.note_given_up(Instant::now());
        }
        answer.unwrap_or_else(|missed| {
            Err(match missed {
                Missed::Lost => StoreError::Lost.into(),
                Missed::Late => StoreError::Deadline { deadline_ms }.into(),
            })
        })
    }

    async fn wait<T>(&self, late_ms: u64, deadline_ms: u64, call: impl Future<Output = T>) -> Result<T, Missed> {
        let mut call = std::pin::pin!(call);
        if let Ok(answer) = timeout(Duration::from_millis(late_ms), &mut call).await {
            return Ok(answer);
        }
        tokio::select! {
            // First: an answer that has come counts, and a look at what happened before it does not.
            biased;
            answer = call => Ok(answer),
            () = Box::pin(self.until_lost()) => Err(Missed::Lost),
            () = sleep(Duration::from_millis(deadline_ms - late_ms)) => Err(Missed::Late),
        }
    }

    /// Returns when it is certain that no answer is under way: at two looks in a row the same rest.
    async fn until_lost(&self) {
        let mut asker = None;
        let (mut last, mut misses) = (None, 0);
        loop {
            let look = timeout(Duration::from_millis(LOOK_DEADLINE_MS), self.look(&mut asker)).await;
            last = match look.unwrap_or_else(|_| Err(Error::PoolTimedOut)) {
                Ok(Look::AtWork) => {
                    misses = 0;
                    None
                }
                Ok(Look::Gone) => return,
                Ok(rest @ Look::Rests(backend, _)) if last == Some(rest) => {
                    let ending = timeout(Duration::from_millis(LOOK_DEADLINE_MS), end(&mut asker, backend)).await;
                    if let Ok(Err(error)) = ending {
                        tracing::debug!(%error, "a backend was not ended: it ends by itself");
                    }
                    tracing::warn!("a connection to Postgres is dead: it is made anew");
                    return;
                }
                Ok(rest) => {
                    misses = 0;
                    Some(rest)
                }
                Err(Error::Database(error)) => {
                    // Too many connections, say: it is there and does what it can.
                    tracing::debug!(%error, "Postgres does not say what it works at");
                    asker = None;
                    None
                }
                Err(error) => {
                    asker = None;
                    misses += 1;
                    if misses >= MAX_MISSES {
                        tracing::warn!(%error, "Postgres does not answer");
                        return;
                    }
                    None
                }
            };
            sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
        }
    }

    async fn look(&self, asker: &mut Option<PgConnection>) -> Result<Look, Error> {
        let backend = match &self.subject {
            Subject::Backend(backend) => backend.process.load(Ordering::Acquire),
            Subject::Statement(_) => NONE,
        };
        if backend == NONE && matches!(self.subject, Subject::Backend(_)) {
            // Connecting has its own deadline.
            return Ok(Look::AtWork);
        }
        let asker = match asker {
            Some(asker) => asker,
            None => asker.insert(PgConnection::connect_with(&self.options).await?),
        };
        match &self.subject {
            Subject::Backend(_) => of_backend(asker, backend).await,
            Subject::Statement(sql) => of_statement(asker, sql.as_str()).await,
        }
    }
}

/// How a connection is made to ask over: who logs in may see its own backends; a role that it acts as need not.
pub(crate) fn asking(options: &PgConnectOptions) -> Arc<PgConnectOptions> {
    Arc::new(options.clone().options([("role", "none")]))
}

async fn of_backend(asker: &mut PgConnection, backend: i32) -> Result<Look, Error> {
    let found: Option<(Option<String>, Option<DateTime<Utc>>)> =
        sqlx::query_as("SELECT state, state_change FROM pg_stat_activity WHERE pid = $1")
            .bind(backend)
            .fetch_optional(asker)
            .await?;
    Ok(match found {
        None => Look::Gone,
        Some((Some(state), since)) if state.starts_with("idle") => Look::Rests(backend, since),
        Some(_) => Look::AtWork,
    })
}

/// Of long ones, Postgres shows the beginning.
async fn of_statement(asker: &mut PgConnection, text: &str) -> Result<Look, Error> {
    let is_at_work: bool = sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT FROM pg_stat_activity
             WHERE pid <> pg_backend_pid() AND datname = current_database() AND state IS DISTINCT FROM 'idle'
               AND (state IS NULL OR state = 'disabled' OR left(query, 500) = left($1, 500))
               AND backend_type = 'client backend' AND usename = session_user
         )",
    )
    .bind(text)
    .fetch_one(asker)
    .await?;
    Ok(if is_at_work { Look::AtWork } else { Look::Rests(NONE, None) })
}

/// Ends a backend whose connection is dead: it would keep its locks until Postgres notices.
async fn end(asker: &mut Option<PgConnection>, backend: i32) -> Result<(), Error> {
    if let Some(asker) = asker
        && backend != NONE
    {
        sqlx::query("SELECT pg_terminate_backend($1)").bind(backend).execute(&mut *asker).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_each_call_that_was_given_up_and_is_as_it_was_a_minute_after_the_last_one() {
        let backend = Backend::default();
        let begin = Instant::now();
        let after = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(backend.late_ms(begin), LATE_MS);
        for (seconds, expected) in [(0, 2_000), (10, 4_000), (69, MAX_LATE_MS), (70, MAX_LATE_MS), (130, 2_000)] {
            backend.note_given_up(after(seconds));
            assert_eq!(backend.late_ms(after(seconds)), expected, "{seconds}");
        }
        assert_eq!((backend.late_ms(after(189)), backend.late_ms(after(190))), (2_000, LATE_MS));
    }
}
