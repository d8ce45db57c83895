//! Rates, over all workers.

use chrono::{DateTime, TimeDelta, Utc};
use satchel_model::ids::FunctionId;

use crate::{StoreError, Tx};

/// So many runs in a time, evenly, and so many more at once after a rest: the generic cell rate algorithm (ITU-T I.371,
/// annex A).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// The time for each run.
    pub interval: TimeDelta,
    /// How many may begin at once.
    pub burst: u32,
}

impl Rate {
    /// How much of it may be spent for one more run to begin.
    pub(super) fn rest(self) -> TimeDelta {
        self.interval * i32::try_from(self.burst.saturating_sub(1)).unwrap_or(i32::MAX)
    }
}

/// How far a rate is spent.
pub(super) struct Pace {
    key: String,
    rate: Rate,
    now: DateTime<Utc>,
    spent_until: DateTime<Utc>,
}

impl Pace {
    /// That of a rate, if there is one.
    pub(super) async fn read(
        tx: &mut Tx<'_>,
        function_id: &FunctionId,
        key: &str,
        rate: Option<Rate>,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, StoreError> {
        let Some(rate) = rate else { return Ok(None) };
        let spent_until = sqlx::query_scalar!(
            "SELECT spent_until FROM function_paces WHERE function_id = $1 AND key = $2",
            function_id.as_str(),
            key,
        );
        let spent_until = spent_until.fetch_optional(&mut *tx.0).await?.unwrap_or(now).max(now);
        Ok(Some(Self { key: key.to_owned(), rate, now, spent_until }))
    }

    /// How many may begin now.
    pub(super) fn allowed(&self) -> u32 {
        let interval = self.rate.interval.num_microseconds().unwrap_or(i64::MAX).max(1);
        let whole = interval.saturating_mul(i64::from(self.rate.burst));
        let left = whole - (self.spent_until - self.now).num_microseconds().unwrap_or(i64::MAX);
        u32::try_from(left / interval).unwrap_or(0)
    }

    /// Another one begins.
    pub(super) fn spend(&mut self) {
        self.spent_until += self.rate.interval;
    }

    pub(super) async fn write(&self, tx: &mut Tx<'_>, function_id: &FunctionId) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO function_paces (function_id, key, spent_until) VALUES ($1, $2, $3)
             ON CONFLICT (function_id, key) DO UPDATE SET spent_until = EXCLUDED.spent_until",
            function_id.as_str(),
            self.key,
            self.spent_until,
        )
        .execute(&mut *tx.0)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(spent_ms: i64) -> Pace {
        let now = DateTime::from_timestamp_micros(1_700_000_000_000_000).unwrap();
        let rate = Rate { interval: TimeDelta::milliseconds(100), burst: 3 };
        Pace { key: String::new(), rate, now, spent_until: now + TimeDelta::milliseconds(spent_ms) }
    }

    #[test]
    fn a_burst_may_begin_at_once_and_then_one_for_each_interval() {
        assert_eq!((pace(0).allowed(), pace(100).allowed(), pace(250).allowed(), pace(300).allowed()), (3, 2, 0, 0));
        let mut spent = pace(0);
        for _ in 0..3 {
            assert!(spent.allowed() > 0);
            spent.spend();
        }
        assert_eq!(spent.allowed(), 0);
        assert!(spent.spent_until > spent.now + spent.rate.rest());
        assert_eq!(pace(200).allowed(), 1);
        assert_eq!(pace(200).spent_until, spent.now + spent.rate.rest());
    }
}
