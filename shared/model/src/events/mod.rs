//! What Satchel tells of by itself: one file per event, and one line for it in the registry below. The catalogue
//! declares the game's own events beside them.

mod emission;
mod function_failed;
mod item_rewarded;
mod item_used;
mod job_facts;
mod job_parked;
mod job_rejected;
mod registry;
mod rule_refused;
mod webhook_disabled;
mod webhook_ping;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::json::raw;

pub use emission::Emission;
pub use function_failed::FunctionFailed;
pub use item_rewarded::ItemRewarded;
pub use item_used::ItemUsed;
pub use job_facts::JobFacts;
pub use job_parked::JobParked;
pub use job_rejected::JobRejected;
pub use rule_refused::RuleRefused;
pub use webhook_disabled::WebhookDisabled;
pub use webhook_ping::WebhookPing;

registry::event_types! {
    FunctionFailed,
    ItemRewarded,
    ItemUsed,
    JobParked,
    JobRejected,
    RuleRefused,
    WebhookDisabled,
    WebhookPing,
}

/// An event's data, its name, and the version of its form.
pub trait EventType: Serialize + DeserializeOwned + JsonSchema {
    /// `domain/action`, in the past tense.
    const NAME: &'static str;
    /// Raised whenever a reader of the data could misunderstand the new form; added members do not count.
    const VERSION: i16;
    /// When it happens, for people.
    const WHEN: &'static str;

    /// The event that tells just what the record of its job says.
    #[must_use]
    fn of_record() -> Emission {
        Emission {
            name: Self::NAME.into(),
            version: Self::VERSION,
            id: None,
            occurred_at: None,
            data: None,
            with_job: false,
        }
    }

    /// The event with its own data.
    #[must_use]
    fn emission(&self) -> Emission {
        Emission { data: Some(raw(self)), ..Self::of_record() }
    }
}

/// An event of the registry, for readers of the catalogue.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// The version of its data's form.
    pub version: i16,
    /// When it happens.
    pub description: &'static str,
    /// The JSON Schema (2020-12) of its data.
    pub schema: Schema,
}

/// The data of an event that tells just what the record of its job says: [`JobFacts`], and the result as it is.
#[derive(Serialize)]
struct OfRecord<'a> {
    #[serde(flatten)]
    job: &'a JobFacts,
    result: &'a RawValue,
}

/// The data of an event that tells what the record of its job says.
#[must_use]
pub fn data_of_record(job: &JobFacts, result: &RawValue) -> Box<RawValue> {
    raw(&OfRecord { job, result })
}

/// What is told beside the facts of a job, and these.
#[derive(Serialize)]
struct WithJob<'a> {
    #[serde(flatten)]
    job: &'a JobFacts,
    #[serde(flatten)]
    beside: serde_json::Map<String, serde_json::Value>,
}

/// The data of an event that tells more than the record of its job says: the job's facts, and what is `beside` them.
///
/// # Errors
/// If that is no object.
pub fn data_with_job(job: &JobFacts, beside: &RawValue) -> serde_json::Result<Box<RawValue>> {
    serde_json::from_str(beside.get()).map(|beside| raw(&WithJob { job, beside }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EventName;

    #[test]
    fn the_registry_has_well_formed_names_and_a_schema_for_each() {
        let all = described();
        assert_eq!(all.len(), NAMES.len());
        for event in all {
            assert!(EventName::parse(event.name).is_ok(), "{}", event.name);
            assert!(is_known(event.name));
            assert_eq!(event.schema.get("type").and_then(|kind| kind.as_str()), Some("object"), "{}", event.name);
        }
        assert!(!is_known("planet/completed"));
    }
}
