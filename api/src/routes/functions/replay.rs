//! `POST /api/v1/functions/{functionId}/replay`: events of a time given to a function again, in runs of their own.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use satchel_forms::{Form, Node, Pointer};
use satchel_model::ids::{EventName, FunctionId, UserId};
use satchel_model::moment;
use satchel_store::Pool;
use satchel_store::functions::replays::{self, Replay};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{FUNCTIONS, check_known};
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::document;
use crate::http::extract::{FromDocument, Json, NoQuery, Parts, PathId, Received};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static REPLAY: Route = Route {
    method: Method::Post,
    path: "/api/v1/functions/{functionId}/replay",
    operation: "replayEvents",
    access: FUNCTIONS,
    errors: &[503],
    handler: || handle(replay),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Replaying {
    replay_id: Uuid,
    /// How many events are looked at; those that the function hears of, and the filter fits, make a run each.
    events: i64,
}

/// Begins a replay; workers go on with it.
async fn replay(
    operating: Operating,
    _: (Received, NoQuery),
    Json(replay): Json<Replay>,
    PathId(function_id): PathId<FunctionId>,
    pool: Data<Pool>,
) -> Result<Answer<Replaying, 202>, ApiError> {
    check_known(&pool, &function_id).await?;
    let (replay_id, events) = deadline::answer(replays::ask(&pool, &function_id, &replay, &operating.by())).await?;
    Ok(Answer(Replaying { replay_id, events }))
}

impl FromDocument for Replay {
    async fn read(document: Node, _: &Parts) -> Result<Self, ApiError> {
        read(document)
    }
}

/// Which events are given to the function again.
#[derive(Form)]
#[serde(rename_all = "camelCase")]
struct Period {
    /// Those since then.
    #[form(text = moment::parse)]
    from: DateTime<Utc>,
    /// Those before then.
    #[form(text = moment::parse)]
    to: DateTime<Utc>,
    /// Those of this name alone.
    name: Option<EventName>,
    /// Those of this user alone.
    user_id: Option<UserId>,
    /// Whether quiet ones are among them.
    #[form(default)]
    include_quiet: bool,
}

fn read(document: Node) -> Result<Replay, ApiError> {
    let Period { from, to, name: event_name, user_id, include_quiet } = document::read(document)?;
    let replay = Replay { event_name, user_id, from, to, include_quiet };
    if replay.from > replay.to {
        return Err(ApiError::invalid(Pointer::root().field("from"), "must not be after to"));
    }
    Ok(replay)
}

#[cfg(test)]
mod tests {
    use satchel_forms::testing::disagreement;
    use serde_json::json;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        match read(Node::parse(text.as_bytes()).unwrap()) {
            Err(ApiError::Invalid(faults)) => {
                faults.as_slice().iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect()
            }
            Err(other) => panic!("{other:?}"),
            Ok(_) => Vec::new(),
        }
    }

    #[test]
    fn the_schema_and_the_reader_agree() {
        let good = json!({"from": "2026-01-31T12:00:00Z", "to": "2026-01-31T13:00:00Z", "userId": "u1",
            "name": "item/used", "includeQuiet": true});
        let read = |node| satchel_forms::read::<Period>(node, Pointer::root()).map(drop);
        assert_eq!(disagreement::<Period>(&[good], read), None);
    }

    #[test]
    fn a_replay_is_of_a_time_that_ends_after_it_begins() {
        let times = |from: &str, to: &str| format!(r#"{{"from":"{from}","to":"{to}","name":"item/used"}}"#);
        let (earlier, later) = ("2026-01-31T12:00:00Z", "2026-01-31T14:00:00+01:00");
        assert!(faults(&times(earlier, later)).is_empty());
        assert_eq!(faults(&times(later, earlier)), ["/from must not be after to"]);
        assert_eq!(faults("{}"), ["/from is required", "/to is required"]);
    }
}
