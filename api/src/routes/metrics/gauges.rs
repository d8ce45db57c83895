//! How much waits in the queue, for Prometheus: asked when it asks, and seldom, since anyone may.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use satchel_queue::Queue;
use satchel_store::{Pool, watermarks};
use tokio::sync::Mutex;

use super::functions;
use crate::routes::queues::snapshot::Snapshot;

/// What was told is told again for so long, in milliseconds, also that a store was away: many scrapes are no load for
/// the stores.
const TTL_MS: u64 = 5_000;
/// A scrape does not wait longer than this for the stores, in milliseconds.
const DEADLINE_MS: u64 = 2_000;

/// The last ones.
pub(super) struct Gauges {
    pool: Pool,
    queue: Arc<dyn Queue>,
    last: Mutex<Option<(Instant, String)>>,
}

impl Gauges {
    pub(super) fn new(pool: Pool, queue: Arc<dyn Queue>) -> Self {
        Self { pool, queue, last: Mutex::default() }
    }

    /// The gauges in Prometheus's text format; empty while a store is away: no figure is better than an old one. Every
    /// API replica tells the same of the one queue.
    pub(super) async fn render(&self) -> String {
        let mut last = self.last.lock().await;
        if let Some((made, text)) = last.as_ref()
            && made.elapsed() < Duration::from_millis(TTL_MS)
        {
            return text.clone();
        }
        let deadline = Duration::from_millis(DEADLINE_MS);
        // Functions are Postgres's alone: Redis may be away.
        let (taken, functions, loss) = tokio::join!(
            tokio::time::timeout(deadline, Snapshot::take(&*self.queue, &self.pool)),
            tokio::time::timeout(deadline, functions::render(&self.pool)),
            tokio::time::timeout(deadline, watermarks::loss(&self.pool)),
        );
        let queue = taken.ok().and_then(Result::ok).map(|snapshot| text(&snapshot));
        let loss = loss.ok().and_then(Result::ok).map(|loss| began_anew(loss.map_or(0, |loss| loss.shards)));
        let text = [queue, loss, functions.ok().flatten()].into_iter().flatten().collect::<String>();
        *last = Some((Instant::now(), text.clone()));
        text
    }
}

fn text(snapshot: &Snapshot) -> String {
    let mut text = String::from(
        "# HELP satchel_queue_jobs Jobs in the queue, by what they wait for; every API replica tells the same\n\
         # TYPE satchel_queue_jobs gauge\n",
    );
    let counts = &snapshot.stats;
    let states = [
        ("waiting", counts.waiting),
        ("active", counts.active),
        ("delayed", counts.delayed),
        ("failed", counts.failed),
    ];
    for (state, jobs) in states {
        // Writing to a text does not fail.
        let _ = writeln!(text, "satchel_queue_jobs{{state=\"{state}\"}} {jobs}");
    }
    let _ = write!(
        text,
        "# HELP satchel_queue_oldest_waiting_seconds How long the oldest waiting job has waited\n\
         # TYPE satchel_queue_oldest_waiting_seconds gauge\n\
         satchel_queue_oldest_waiting_seconds {}\n\
         # HELP satchel_queue_oldest_undecided_seconds The same of all jobs that are due and not decided, parked ones included\n\
         # TYPE satchel_queue_oldest_undecided_seconds gauge\n\
         satchel_queue_oldest_undecided_seconds {}\n\
         # HELP satchel_queue_shards_without_owner Shards that no live worker serves: their jobs wait\n\
         # TYPE satchel_queue_shards_without_owner gauge\n\
         satchel_queue_shards_without_owner {}\n",
        seconds(snapshot.oldest_waiting_ms),
        seconds(snapshot.oldest_undecided_ms),
        snapshot.shards_without_owner,
    );
    let _ = write!(
        text,
        "# HELP satchel_queue_paused Whether an operator has paused the queue\n\
         # TYPE satchel_queue_paused gauge\n\
         satchel_queue_paused {}\n",
        u8::from(snapshot.paused)
    );
    text
}

fn began_anew(shards: i64) -> String {
    format!(
        "# HELP satchel_queue_shards_began_anew Shards that had forgotten jobs, as was seen within the last 24 hours\n\
         # TYPE satchel_queue_shards_began_anew gauge\n\
         satchel_queue_shards_began_anew {shards}\n"
    )
}

/// Nothing has waited for no time.
fn seconds(millis: Option<u64>) -> f64 {
    f64::from(u32::try_from(millis.unwrap_or(0)).unwrap_or(u32::MAX)) / 1_000.0
}
