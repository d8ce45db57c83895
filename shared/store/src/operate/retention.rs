//! How long what is finished or given up is kept.

use satchel_model::operations::{MIN_JOB_RETENTION_DAYS, MIN_REJECTED_RETENTION_DAYS};
use satchel_settings::Env;

/// The longest that decided and parked jobs can be kept, in days: a hundred and ten years.
const MAX_JOB_DAYS: u32 = 36_500;
const MAX_PARKED_DAYS: u32 = 3_650;
/// How long events are kept unless told otherwise, in days.
const DEFAULT_EVENT_DAYS: u32 = 30;

/// How long jobs are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// `SATCHEL_JOB_RETENTION_DAYS`: decided jobs, and with them idempotency keys, in days. Default 90, the least.
    pub job_days: u32,
    /// `SATCHEL_REJECTED_RETENTION_DAYS`: rejected jobs without an idempotency key, in days. Default as decided jobs, which
    /// is the most; at least 35.
    pub rejected_days: u32,
    /// `SATCHEL_PARKED_RETENTION_DAYS`: parked jobs, in days, before they are archived. Default 7.
    pub parked_days: u32,
    /// `SATCHEL_EVENT_RETENTION_DAYS`: events, and the ended runs of functions, in days. Default 30; at most as long as
    /// decided jobs, rejected ones included, which events tell of.
    pub event_days: u32,
}

impl Retention {
    /// Reads the environment; faults are noted in `env`.
    pub fn from_env(env: &mut Env) -> Self {
        let job_days = MIN_JOB_RETENTION_DAYS..=MAX_JOB_DAYS;
        let job_days = env.number_or("SATCHEL_JOB_RETENTION_DAYS", job_days, MIN_JOB_RETENTION_DAYS);
        let rejected_days = MIN_REJECTED_RETENTION_DAYS..=job_days;
        let rejected_days = env.number_or("SATCHEL_REJECTED_RETENTION_DAYS", rejected_days, job_days);
        Self {
            job_days,
            rejected_days,
            event_days: env.number_or("SATCHEL_EVENT_RETENTION_DAYS", 1..=rejected_days, DEFAULT_EVENT_DAYS),
            parked_days: env.number_or("SATCHEL_PARKED_RETENTION_DAYS", 1..=MAX_PARKED_DAYS, 7),
        }
    }
}
