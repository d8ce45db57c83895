//! `job/parked`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventType, JobFacts};

/// A job was parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobParked {
    /// The job.
    #[serde(flatten)]
    pub job: JobFacts,
    /// Why, in a word: `cannot_be_applied`. What exactly happened is for operators (`GET /queues/failed`): it names tables.
    pub code: String,
}

impl JobParked {
    /// Each attempt to apply it failed.
    pub const CANNOT_BE_APPLIED: &'static str = "cannot_be_applied";
}

impl EventType for JobParked {
    const NAME: &'static str = "job/parked";
    const VERSION: i16 = 1;
    const WHEN: &'static str = "A job failed too often: it and its user's later ones wait for an operator.";
}
