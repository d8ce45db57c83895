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
    /// The last error.
    pub error: String,
}

impl EventType for JobParked {
    const NAME: &'static str = "job/parked";
    const VERSION: i16 = 1;
    const WHEN: &'static str = "A job failed too often: it and its user's later ones wait for an operator.";
}
