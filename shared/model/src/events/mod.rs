//! What Satchel tells of by itself: one file per event, and one line for it in the registry below. The catalogue
//! declares the game's own events beside them.

mod emission;
mod job_facts;
mod of_job;

mod registry;

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::json::raw;

pub use emission::Emission;
pub use job_facts::JobFacts;
pub use of_job::{of_applied, of_rejected};

registry::event_types! {
    function_failed: FunctionFailed,
    item_rewarded: ItemRewarded,
    item_used: ItemUsed,
    job_parked: JobParked,
    job_rejected: JobRejected,
    rule_refused: RuleRefused,
    webhook_disabled: WebhookDisabled,
    webhook_ping: WebhookPing,
}

/// An event's data, its name, and the version of its form.
pub trait EventType: Serialize + DeserializeOwned + JsonSchema {
    /// `domain/action`, in the past tense.
    const NAME: &'static str;
    /// Raised whenever a reader of the data could misunderstand the new form; added members do not count.
    const VERSION: i16;
    /// When it happens, for people.
    const WHEN: &'static str;
    /// The operation whose record it tells, whenever a job of it is applied.
    const OF: Option<&'static str> = None;

    /// The event that tells just what the record of its job says.
    #[must_use]
    fn of_record() -> Emission {
        Emission { name: Self::NAME.into(), version: Self::VERSION, id: None, occurred_at: None, data: None }
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
