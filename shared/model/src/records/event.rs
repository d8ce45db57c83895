//! An event that happened.

use chrono::{DateTime, Utc};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::value::RawValue;

use crate::ids::{EventName, JobId, Shard, UserId};

/// The source of what Satchel itself tells of.
pub const OWN_SOURCE: &str = "satchel";

/// An event that happened.
#[derive(Debug, Clone, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Unique among those of its `source`.
    pub id: String,
    /// What happened.
    pub name: EventName,
    /// The version of its data's form.
    pub version: i16,
    /// Who tells of it: `satchel`, or the `role:subject` that sent it.
    pub source: String,
    /// Whom it is about.
    pub user_id: UserId,
    /// When it was committed, by the database's clock.
    #[serde(serialize_with = "crate::moment::serialize")]
    pub at: DateTime<Utc>,
    /// When it happened, as its sender says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(serialize_with = "crate::moment::serialize")]
    pub occurred_at: Option<DateTime<Utc>>,
    /// The job that brought it about.
    pub job_id: Option<JobId>,
    /// What it tells; `null` if that is not known any more: [`Event::is_whole`].
    pub data: Box<RawValue>,
    /// Whether it is given to no function.
    #[serde(rename = "quiet", skip_serializing_if = "std::ops::Not::not")]
    pub is_quiet: bool,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
}

impl Event {
    /// Whether what it tells is known. An event that tells what the record of its job says is nothing without that, which is
    /// kept for longer, but which the database's owner can delete.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.data.get() != RawValue::NULL.get()
    }
}

/// Where an event stands among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its user's shard.
    pub shard: Shard,
    /// Its number in the shard, from 1, without a gap.
    pub seq: i64,
}

impl Place {
    /// The number as a text whose order is that of the numbers (CloudEvents, extension "Sequence"): with as many digits as the
    /// largest number has.
    #[must_use]
    pub fn sequence(self) -> String {
        format!("{:019}", self.seq)
    }
}

/// As in the CloudEvents that tell of the event.
impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut place = serializer.serialize_struct("Place", 2)?;
        place.serialize_field("shard", &self.shard.get())?;
        place.serialize_field("sequence", &self.sequence())?;
        place.end()
    }
}
