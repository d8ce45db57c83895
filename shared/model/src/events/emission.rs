//! An event in the making: what a plan says of what happens when it is followed.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

/// See the module. The event is told of in the transaction that follows the plan.
#[derive(Debug, Clone)]
pub struct Emission {
    /// The event's name.
    pub name: Cow<'static, str>,
    /// The version of its data's schema.
    pub version: i16,
    /// What its sender calls it; `None` if Satchel gives it an id.
    pub id: Option<String>,
    /// When it happened, as its sender says; `None` for when it is told of.
    pub occurred_at: Option<DateTime<Utc>>,
    /// What it tells; `None` if that is what the job's record says.
    pub data: Option<Box<RawValue>>,
}
