//! What a record says that a job has changed.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json_text::push_text;
use crate::decide::{Change, PartyPlan, Used};
use crate::ids::ItemId;

/// One change. As JSON an object with one member: the kind, and an array of what there is to say. There may be kinds that a reader
/// does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedChange {
    /// `{"stack":[item, delta, balance, cause]}`
    Stack(StackChange),
    /// `{"used":[item, times]}`
    Used(UsedChange),
    /// A fact beside the holdings: [`crate::facts::Fact::CHANGE`], and what [`crate::facts::Fact::said`] says.
    Fact {
        /// The kind.
        kind: Cow<'static, str>,
        /// What is there to say, as JSON.
        said: String,
    },
}

/// More or fewer pieces of an item.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StackChange(
    /// The item.
    pub ItemId,
    /// By how many pieces; never zero.
    pub i64,
    /// Pieces held after it.
    pub i64,
    /// What brought it about, when that is not the job itself.
    #[serde(default)]
    pub Option<String>,
);

/// An item was used, and nothing came of it that another change would tell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct UsedChange(
    /// The item.
    pub ItemId,
    /// How many times.
    pub i64,
);

impl RecordedChange {
    /// What a plan changes of a user, in order. A use that changes nothing else is a change as well, so that every use is recorded.
    #[must_use]
    pub fn of_plan(plan: &PartyPlan) -> Vec<Self> {
        let stack = |change: &Change| {
            let Change { item_id, delta, balance, cause } = change.clone();
            Self::Stack(StackChange(item_id, delta, balance, cause))
        };
        let mut changes: Vec<Self> = plan.changes.iter().map(stack).collect();
        changes.extend(plan.writes.said().into_iter().map(|(kind, said)| Self::Fact { kind: kind.into(), said }));
        if let (true, Some(Used { item_id, times })) = (changes.is_empty(), &plan.used) {
            changes.push(Self::Used(UsedChange(item_id.clone(), *times)));
        }
        changes
    }

    /// Puts its JSON behind `out`.
    pub(super) fn push(&self, out: &mut String) {
        // A String takes whatever is written.
        match self {
            Self::Stack(StackChange(item_id, delta, balance, cause)) => {
                let _ = write!(out, r#"{{"stack":["{item_id}",{delta},{balance}"#);
                if let Some(cause) = cause {
                    out.push(',');
                    push_text(out, cause);
                }
                out.push_str("]}");
            }
            Self::Used(UsedChange(item_id, times)) => {
                let _ = write!(out, r#"{{"used":["{item_id}",{times}]}}"#);
            }
            Self::Fact { kind, said } => {
                out.push('{');
                push_text(out, kind);
                out.push(':');
                out.push_str(said);
                out.push('}');
            }
        }
    }
}

impl<'de> Deserialize<'de> for RecordedChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OneMember)
    }
}

struct OneMember;

impl<'de> Visitor<'de> for OneMember {
    type Value = RecordedChange;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object with one member")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RecordedChange, A::Error> {
        let kind = map.next_key::<Cow<'_, str>>()?.ok_or_else(|| A::Error::custom("a change without a kind"))?;
        let change = match &*kind {
            "stack" => RecordedChange::Stack(map.next_value()?),
            "used" => RecordedChange::Used(map.next_value()?),
            _ => {
                let said = map.next_value::<&RawValue>()?.get().to_owned();
                RecordedChange::Fact { kind: kind.into_owned().into(), said }
            }
        };
        if map.next_key::<Cow<'_, str>>()?.is_some() {
            return Err(A::Error::custom("a change of two kinds"));
        }
        Ok(change)
    }
}
