//! `function/failed`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::EventType;

/// A run failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FunctionFailed {
    /// Of which function.
    pub function_id: String,
    /// The run.
    pub run_id: Uuid,
    /// For whom, where the function has several receivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The event's id, if the event was still kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The event's name.
    pub event: String,
    /// Attempts begun.
    pub attempts: i32,
    /// Why, in a word: `run_failed`. What exactly happened is for operators (`GET /runs/{runId}`): it may name tables.
    pub code: String,
}

impl FunctionFailed {
    /// Its attempts are used up, or no attempt can succeed.
    pub const RUN_FAILED: &'static str = "run_failed";
}

impl EventType for FunctionFailed {
    const NAME: &'static str = "function/failed";
    const VERSION: i16 = 1;
    const WHEN: &'static str = "A function's run failed for good. (None is told of for runs for this event itself.)";
}
