//! Whether this machine's clock is right, by Postgres's, which all programs go by.
//!
//! Jobs carry the time at which they were accepted, by this clock: of one that is weeks behind they would be accepted and then
//! found expired, and tokens are good or bad by it. So nothing is taken while it is wrong. What is compared is not the last
//! measurement but the clock as it is now: what time it should be follows from the last answer and the time that has passed
//! since, which is measured otherwise. So it is noticed at once when the clock is set, and a Postgres that cannot be asked
//! changes nothing.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use actix_web::web::Data;
use chrono::Utc;
use metrics::{Gauge, describe_gauge, gauge};
use satchel_store::{Pool, StoreError, clock};
use satchel_tasks::{Backoff, Task};

use crate::http::deadline;
use crate::http::problem::ApiError;

/// How far the clock may be off, in milliseconds. Nothing hangs on less: order and leases go by the stores' clocks, jobs expire
/// after days, and workers give delayed ones that come early their time back. It is more than Postgres's own clock is
/// commonly set by, which must not stop all APIs at once.
const MAX_OFFSET_MS: i64 = 300_000;
/// How often it is looked at, for the log and the metrics.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Postgres is asked at every so many looks.
const MEASURE_EVERY: u64 = 5;
/// An answer that takes longer says too little about what time it is, in milliseconds: the clock is known to half of it.
const MEASURE_DEADLINE_MS: u64 = 2_000;

const OFFSET: &str = "satchel_api_clock_offset_seconds";

/// No time that a clock shows.
const UNKNOWN: i64 = i64::MIN;

/// See the module.
pub(crate) struct Clock {
    began: Instant,
    /// What time it was then, by Postgres, in microseconds since 1970.
    began_at_us: AtomicI64,
    gauge: Gauge,
}

impl Clock {
    /// One that nothing is known of yet.
    pub(crate) fn new() -> Self {
        describe_gauge!(OFFSET, "How far this machine's clock is ahead of Postgres's, in seconds");
        Self { began: Instant::now(), began_at_us: AtomicI64::new(UNKNOWN), gauge: gauge!(OFFSET) }
    }

    /// Asks Postgres what time it is.
    ///
    /// # Errors
    /// If it does not tell in time; what is known stays.
    pub(crate) async fn measure(&self, pool: &Pool) -> Result<(), StoreError> {
        let asked = self.elapsed_us();
        let now = deadline::within(MEASURE_DEADLINE_MS, clock::now(pool)).await?;
        // Halfway between question and answer.
        let told_at = i64::midpoint(asked, self.elapsed_us());
        self.began_at_us.store(now.timestamp_micros().saturating_sub(told_at), Ordering::Relaxed);
        Ok(())
    }

    /// How far the clock is ahead of Postgres's, in milliseconds; `None` before Postgres has ever told.
    pub(crate) fn offset_ms(&self) -> Option<i64> {
        let began_at = self.began_at_us.load(Ordering::Relaxed);
        let should_be = began_at.saturating_add(self.elapsed_us());
        (began_at != UNKNOWN).then(|| Utc::now().timestamp_micros().saturating_sub(should_be) / 1_000)
    }

    /// What is wrong with the clock, if it is wrong.
    pub(crate) fn fault(&self) -> Option<String> {
        self.offset_ms().and_then(fault)
    }

    /// Refuses what must not be taken while the clock is wrong.
    ///
    /// # Errors
    /// 503.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if self.fault().is_some() { Err(ApiError::WrongClock) } else { Ok(()) }
    }

    fn elapsed_us(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_micros()).unwrap_or(i64::MAX)
    }
}

/// Asks again and again, and says when the clock turns wrong or right.
pub(crate) struct ClockWatch {
    clock: Data<Clock>,
    pool: Data<Pool>,
    was_wrong: bool,
    looks: u64,
}

impl ClockWatch {
    pub(crate) fn new(clock: Data<Clock>, pool: Data<Pool>) -> Self {
        Self { clock, pool, was_wrong: false, looks: 0 }
    }
}

impl Task for ClockWatch {
    const NAME: &'static str = "clock";
    type Error = Infallible;

    async fn round(&mut self) -> Result<Duration, Infallible> {
        let fault = self.clock.fault();
        match &fault {
            Some(fault) if !self.was_wrong => tracing::error!("{fault}: no jobs are taken until it is right"),
            None if self.was_wrong => tracing::info!("this machine's clock is right again: jobs are taken"),
            _ => {}
        }
        self.was_wrong = fault.is_some();
        if let Some(offset_ms) = self.clock.offset_ms() {
            self.clock.gauge.set(Duration::from_millis(offset_ms.unsigned_abs()).as_secs_f64() * sign(offset_ms));
        }
        self.looks += 1;
        if self.looks.is_multiple_of(MEASURE_EVERY)
            && let Err(error) = self.clock.measure(&self.pool).await
        {
            // What is known stays: the round has not failed.
            tracing::debug!(%error, "Postgres did not tell what time it is");
        }
        Ok(LOOK_EVERY)
    }

    fn backoff(&self) -> Backoff {
        Backoff::constant(LOOK_EVERY)
    }
}

fn sign(number: i64) -> f64 {
    if number < 0 { -1.0 } else { 1.0 }
}

fn fault(offset_ms: i64) -> Option<String> {
    let seconds = offset_ms.unsigned_abs() / 1_000;
    let direction = if offset_ms < 0 { "behind" } else { "ahead of" };
    let is_wrong = offset_ms.unsigned_abs() > MAX_OFFSET_MS.unsigned_abs();
    is_wrong.then(|| format!("this machine's clock is {seconds} s {direction} Postgres's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_forgiven_and_more_is_not() {
        for fine in [0, 1_000, 240_000, -240_000, MAX_OFFSET_MS] {
            assert_eq!(fault(fine), None);
        }
        assert_eq!(fault(2_678_400_000).unwrap(), "this machine's clock is 2678400 s ahead of Postgres's");
        assert_eq!(fault(-300_001).unwrap(), "this machine's clock is 300 s behind Postgres's");
        assert!(fault(i64::MIN).is_some());
    }

    #[test]
    fn what_nobody_has_told_is_no_fault_and_what_was_told_counts_on() {
        let clock = Clock::new();
        assert_eq!((clock.offset_ms(), clock.fault()), (None, None));
        let told = |ahead_us: i64| clock.began_at_us.store(Utc::now().timestamp_micros() + ahead_us, Ordering::Relaxed);
        told(0);
        assert!(clock.fault().is_none());
        told(3_600_000_000);
        assert!(clock.fault().unwrap().ends_with("s behind Postgres's"));
    }
}
