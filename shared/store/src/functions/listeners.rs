//! The functions that subscribe to events, as the workers that run them say. Events are given to all of them, whichever worker gives
//! them: one that was set up otherwise, or is of another version, passes nothing by.

use std::borrow::Cow;

use satchel_model::ids::FunctionId;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use crate::db::stored::Unreadable;
use crate::{Session, StoreError};

/// The time that a function gets events after a worker last said that it runs it, in minutes. Then it counts as taken away,
/// but not before some worker has been alive for so long: after an outage its own may only be on their way.
pub const LISTENING_MINUTES: i32 = 60;

/// How a worker describes a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// The events that it subscribes to.
    pub events: EventNames,
    /// How many runs an event is.
    pub fanout: Fanout,
    /// Whether a user's events are taken in order.
    #[serde(default)]
    pub ordered: bool,
    /// How it is tried and limited, for operators.
    pub policy: serde_json::Value,
}

/// Names of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EventNames {
    /// These.
    These(Vec<String>),
    /// All there are: `"all"`.
    All(All),
}

/// See [`EventNames::All`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// `"all"`.
    All,
}

/// How many runs an event is for a function. In JSON the kind of receivers, or `"one"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Fanout {
    /// One.
    One,
    /// One for each receiver of this kind that gets it.
    Each(Cow<'static, str>),
}

/// [`Fanout::One`] in JSON.
const ONE: &str = "one";

impl Fanout {
    /// One for each receiver of a kind.
    #[must_use]
    pub const fn each(kind: &'static str) -> Self {
        Self::Each(Cow::Borrowed(kind))
    }

    /// The kind of receivers, where there are several.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::One => None,
            Self::Each(kind) => Some(kind),
        }
    }
}

impl From<String> for Fanout {
    fn from(text: String) -> Self {
        if text == ONE { Self::One } else { Self::Each(text.into()) }
    }
}

impl From<Fanout> for String {
    fn from(fanout: Fanout) -> Self {
        fanout.kind().unwrap_or(ONE).to_owned()
    }
}

/// A function that subscribes to events.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Its id.
    pub function_id: FunctionId,
    /// The events that it subscribes to.
    pub events: EventNames,
    /// How many runs an event is.
    pub fanout: Fanout,
    /// Whether a user's events are taken in order.
    pub ordered: bool,
}

impl Listener {
    /// Whether it subscribes to events of this name.
    #[must_use]
    pub fn subscribes_to(&self, name: &str) -> bool {
        match &self.events {
            EventNames::All(_) => true,
            EventNames::These(names) => names.iter().any(|wanted| wanted == name),
        }
    }
}

/// Says that a worker runs these functions from now on.
///
/// # Errors
/// If Postgres is away.
pub async fn announce(session: &mut Session, functions: &[(&FunctionId, Description)]) -> Result<(), StoreError> {
    let function_ids: Vec<&str> = functions.iter().map(|(function_id, _)| function_id.as_str()).collect();
    let descriptions: Vec<Json<&Description>> = functions.iter().map(|(_, description)| Json(description)).collect();
    sqlx::query!(
        r#"INSERT INTO functions (function_id, description, seen_at)
           SELECT function_id, description, clock_timestamp()
           FROM UNNEST($1::text[], $2::json[]) AS announced (function_id, description)
           ORDER BY function_id COLLATE "C"
           ON CONFLICT (function_id) DO UPDATE SET description = EXCLUDED.description, seen_at = EXCLUDED.seen_at"#,
        &function_ids as &[&str],
        &descriptions as &[Json<&Description>],
    )
    .execute(session.connection().await?)
    .await?;
    Ok(())
}

/// Says that a worker still runs these functions. How they are described stays: another one may know better by now.
///
/// # Errors
/// If Postgres is away.
pub async fn renew(session: &mut Session, function_ids: &[&FunctionId]) -> Result<(), StoreError> {
    let function_ids: Vec<&str> = function_ids.iter().map(|function_id| function_id.as_str()).collect();
    sqlx::query!(
        "UPDATE functions
         SET seen_at = clock_timestamp()
         WHERE function_id IN (
             SELECT function_id FROM functions WHERE function_id = ANY($1) ORDER BY function_id FOR NO KEY UPDATE
         )",
        &function_ids as &[&str],
    )
    .execute(session.connection().await?)
    .await?;
    Ok(())
}

/// The functions that subscribe to events now.
///
/// # Errors
/// If Postgres is away.
pub async fn all(session: &mut Session) -> Result<Vec<Listener>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT function_id, description AS "description: Json<Description>"
           FROM functions
           WHERE seen_at > clock_timestamp() - make_interval(mins => $1)
              OR NOT EXISTS (
                  SELECT FROM live_workers
                  WHERE alive_since < clock_timestamp() - make_interval(mins => $1)
              )
           ORDER BY function_id"#,
        LISTENING_MINUTES,
    )
    .fetch_all(session.connection().await?)
    .await?;
    rows.into_iter()
        .map(|row| {
            let function_id =
                FunctionId::parse(&row.function_id).map_err(|error| Unreadable::new("function_id", error))?;
            let Description { events, fanout, ordered, .. } = row.description.0;
            Ok(Listener { function_id, events, fanout, ordered })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_reads_back_as_it_was_written() {
        let these = EventNames::These(vec!["item/used".into()]);
        let each = Fanout::each("webhookEndpoints");
        for (events, told, fanout, kind) in [
            (EventNames::All(All::All), json!("all"), each, "webhookEndpoints"),
            (these, json!(["item/used"]), Fanout::One, "one"),
        ] {
            let description = Description { events, fanout, ordered: true, policy: json!({}) };
            let json = serde_json::to_value(&description).unwrap();
            assert_eq!(json, json!({"events": told, "fanout": kind, "ordered": true, "policy": {}}));
            assert_eq!(serde_json::from_value::<Description>(json).unwrap(), description);
        }
    }
}
