//! A connection that is dropped when it is dead, and made anew until that works.
//!
//! Whatever a connection is dropped for (it was closed, gave no answer in time, or answered what Redis does not), and
//! whatever an attempt at a new one fails with, the next attempt follows: by the server's name, so that a name that
//! moves is followed, and after a wait that grows to [`LAST_DELAY_MS`]. Calls that come meanwhile wait for the attempt
//! under way, or are told at once what the last one failed with.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::client::{Client, Wire};
use super::failure::{is_doubtful, is_lost, no_answer};
use super::life::Life;
use super::outage::Outage;

/// The wait after the first attempt that fails, and the longest one, in milliseconds; with jitter, so that those who lost
/// their connections together do not come back together.
const FIRST_DELAY_MS: u64 = 100;
const LAST_DELAY_MS: u64 = 1_000;

/// What lived so long was a connection, and not one of a series of attempts.
const STEADY: Duration = Duration::from_secs(10);

/// After so many connections in a row that did not do well, nobody waits for the next one.
const MAX_UNSTEADY: u32 = 2;

/// How long a new connection must do well before an outage counts as over.
const SETTLED: Duration = Duration::from_secs(2);

/// How often a call is sent: once more if the connection was closed before it could be.
const MAX_TRIES: u32 = 2;

/// How long a connection is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For a call, and for connecting.
    pub(super) deadline: Duration,
    /// Nothing more is asked over a connection that has left questions without any answer for so long.
    pub(super) silence: Duration,
}

/// See the module. Clones share it.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    number: u64,
    client: Client,
    limits: Limits,
    outage: Arc<Outage>,
    state: Mutex<State>,
    /// Who used it first drives it from then on, whoever makes it anew.
    home: OnceLock<Handle>,
}

#[derive(Default)]
struct State {
    used: Option<Used>,
    /// What comes of the making of another one.
    making: Option<watch::Receiver<Attempt>>,
    made_at: Option<Instant>,
    /// How many were made one after the other that did not stay well.
    unsteady: u32,
}

/// A connection in use.
#[derive(Clone)]
struct Used {
    wire: Wire,
    life: Arc<Life>,
}

#[derive(Clone)]
enum Attempt {
    UnderWay,
    Failed(RedisError),
    Made(Used),
}

impl Link {
    /// One that is made when it is first needed.
    pub(super) fn new(client: Client, limits: Limits, outage: Arc<Outage>) -> Self {
        static LINKS: AtomicU64 = AtomicU64::new(0);
        let number = LINKS.fetch_add(1, Ordering::Relaxed);
        Self(Arc::new(Inner { number, client, limits, outage, state: Mutex::default(), home: OnceLock::new() }))
    }

    /// Whether it is one to a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        self.0.client.is_cluster()
    }

    /// Whether it was ever needed.
    pub(super) fn is_used(&self) -> bool {
        self.0.home.get().is_some()
    }

    /// What it is in trouble for, if it is being made anew and that has not worked so far.
    pub(super) fn trouble(&self) -> Option<RedisError> {
        let state = self.0.state();
        match &*state.making.as_ref()?.borrow() {
            Attempt::Failed(error) => Some(error.clone()),
            Attempt::UnderWay | Attempt::Made(_) => None,
        }
    }

    /// A call's answer, which is here before the deadline or not at all.
    ///
    /// # Errors
    /// If there is none. What was asked may have happened all the same.
    pub(super) async fn call<T, A: Future<Output = RedisResult<T>>>(&self, call: impl Fn(Wire) -> A) -> RedisResult<T> {
        let end = Instant::now() + self.0.limits.deadline;
        let mut tries = 0;
        loop {
            tries += 1;
            let used = timeout_at(end, self.used()).await.unwrap_or_else(|_| Err(no_answer()))?;
            let asked = used.life.ask();
            let mut polls = 0_u32;
            let answer = {
                let mut answering = pin!(call(used.wire.clone()));
                let counted = std::future::poll_fn(|context| {
                    polls = polls.saturating_add(1);
                    answering.as_mut().poll(context)
                });
                timeout_at(end, counted).await
            };
            asked.answered(matches!(answer, Ok(Ok(_))));
            let Ok(answer) = answer else {
                self.failed(&used, &no_answer());
                return Err(no_answer());
            };
            let Err(error) = answer else { return answer };
            self.failed(&used, &error);
            // Refused at its first look: the connection was gone before anything could be sent.
            let was_sent = polls > 1 || !error.is_connection_dropped();
            if was_sent || tries >= MAX_TRIES {
                return Err(error);
            }
        }
    }

    /// Looks at an answer that is an error: of one command of several, too.
    pub(super) fn heard(&self, error: &RedisError) {
        if is_doubtful(error) {
            let mut state = self.0.state();
            self.0.make(&mut state, error);
        }
    }

    /// The connection in use, or the next one if that comes at once.
    async fn used(&self) -> RedisResult<Used> {
        let mut making = {
            let mut state = self.0.state();
            match &state.used {
                Some(used) if !used.life.is_silent(self.0.limits.silence) => return Ok(used.clone()),
                // Those who wait for it may still be answered.
                _ => self.0.make_another(&mut state, &closed()),
            }
        };
        loop {
            match &*making.borrow_and_update() {
                Attempt::Made(used) => return Ok(used.clone()),
                Attempt::Failed(error) => return Err(error.clone()),
                Attempt::UnderWay => {}
            }
            making.changed().await.map_err(|_| no_answer::<RedisError>())?;
        }
    }

    /// A call over this connection came to nothing.
    fn failed(&self, used: &Used, error: &RedisError) {
        let mut state = self.0.state();
        if !state.used.as_ref().is_some_and(|current| Arc::ptr_eq(&current.life, &used.life)) {
            // Somebody else has noticed before.
            return;
        }
        if matches!(used.wire, Wire::Server(_)) && is_lost(error) {
            self.0.make_another(&mut state, error);
        } else if is_doubtful(error) || error.is_timeout() || is_lost(error) && error.kind() != ErrorKind::Io {
            // It is used until the next one is there: a replica answers questions, a cluster's other nodes are well.
            self.0.make(&mut state, error);
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Self::make`], where the last one is of no more use.
    fn make_another(self: &Arc<Self>, state: &mut State, reason: &RedisError) -> watch::Receiver<Attempt> {
        let making = self.make(state, reason);
        state.used = None;
        making
    }

    /// Begins to make a connection, unless somebody does so already.
    fn make(self: &Arc<Self>, state: &mut State, reason: &RedisError) -> watch::Receiver<Attempt> {
        // The task is gone only with the runtime that it was on.
        let was_left = match &state.making {
            Some(making) if making.has_changed().is_ok() => return making.clone(),
            making => making.is_some(),
        };
        let did_well = state.used.as_ref().is_none_or(|used| used.life.did_well()) && !is_doubtful(reason);
        let was_steady = did_well || state.made_at.is_none_or(|at| at.elapsed() >= STEADY);
        state.unsteady = if was_steady { 0 } else { state.unsteady.saturating_add(1) };
        let is_soon = state.unsteady <= MAX_UNSTEADY;
        let first = if is_soon { Attempt::UnderWay } else { Attempt::Failed(reason.clone()) };
        let (tell, making) = watch::channel(first);
        state.making = Some(making.clone());
        if state.made_at.is_some() && !reason.is_connection_dropped() {
            self.outage.begin(self.number, reason);
        }
        let making_one = make_until_made(Arc::downgrade(self), tell, state.unsteady);
        let home = self.home.get_or_init(Handle::current);
        if was_left {
            Handle::current().spawn(making_one)
        } else {
            home.spawn(making_one)
        };
        making
    }

    /// Puts a new connection in the place of the last one.
    fn put(&self, wire: Wire) -> Used {
        let used = Used { wire, life: Arc::default() };
        let mut state = self.state();
        state.used = Some(used.clone());
        state.making = None;
        state.made_at = Some(Instant::now());
        used
    }

    fn is_well(&self, used: &Used) -> bool {
        let state = self.state();
        state.making.is_none() && state.used.as_ref().is_some_and(|now| Arc::ptr_eq(&now.life, &used.life))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.outage.end(self.number);
    }
}

/// Never gives up but with the link itself.
async fn make_until_made(link: Weak<Inner>, tell: watch::Sender<Attempt>, unsteady: u32) {
    let mut failures = unsteady;
    loop {
        if failures > 0 {
            sleep(delay(failures)).await;
        }
        let Some((client, deadline)) = link.upgrade().map(|link| (link.client.clone(), link.limits.deadline)) else {
            return;
        };
        tell.send_replace(Attempt::UnderWay);
        let made = timeout(deadline, client.wire(deadline)).await.unwrap_or_else(|_| Err(no_answer()));
        let Some(inner) = link.upgrade() else { return };
        match made {
            Ok(wire) => {
                let used = inner.put(wire);
                tell.send_replace(Attempt::Made(used.clone()));
                drop(inner);
                sleep(SETTLED).await;
                if let Some(inner) = link.upgrade().filter(|inner| inner.is_well(&used)) {
                    inner.outage.end(inner.number);
                }
                return;
            }
            Err(error) => {
                inner.outage.begin(inner.number, &error);
                tell.send_replace(Attempt::Failed(error));
                failures = failures.saturating_add(1);
            }
        }
    }
}

/// The wait before the next attempt, after so many that came to nothing.
fn delay(failures: u32) -> Duration {
    let delay_ms = FIRST_DELAY_MS.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_DELAY_MS);
    Duration::from_millis(delay_ms).mul_f64(rand::random_range(0.5..=1.0))
}

/// It is closed, or as good as that.
fn closed() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()
}
