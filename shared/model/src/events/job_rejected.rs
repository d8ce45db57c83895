//! `job/rejected`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EventType, JobFacts};
use crate::rejection::Rejection;

/// A job was rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobRejected {
    /// The job.
    #[serde(flatten)]
    pub job: JobFacts,
    /// Why.
    pub result: Rejection,
}

impl EventType for JobRejected {
    const NAME: &'static str = "job/rejected";
    const VERSION: i16 = 1;
    const WHEN: &'static str = "The rules of the game refused a job, or an operator or time gave up a parked one.";
}
