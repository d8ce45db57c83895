//! How long jobs wait, and how long they are remembered.

/// How long a job may wait, in days, from when it is due until it is decided; an older one is rejected as `expired`.
/// Decided jobs are kept longer ([`MIN_JOB_RETENTION_DAYS`]), so that a copy of an old queue entry never finds its job
/// forgotten. Measured from the API's clock to the database's.
pub const MAX_JOB_AGE_DAYS: u32 = 30;

/// How far ahead a job's `notBefore` may be, in days.
pub const MAX_DELAY_DAYS: u32 = 90;

/// How long a decided job is kept at least, in days: so long its idempotency key is remembered.
pub const MIN_JOB_RETENTION_DAYS: u32 = 90;

/// How long a rejected job without an idempotency key is kept at least, in days: longer than a copy of its queue entry
/// counts ([`MAX_JOB_AGE_DAYS`]).
pub const MIN_REJECTED_RETENTION_DAYS: u32 = 35;
