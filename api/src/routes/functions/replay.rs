//! `POST /api/v1/functions/{functionId}/replay`: events of a time given to a function again, in runs of their own.

use actix_web::web::Data;
use satchel_forms::{Node, Pointer};
use satchel_model::ids::{EventName, FunctionId, UserId};
use satchel_store::Pool;
use satchel_store::functions::replays::{self, Replay};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{FUNCTIONS, check_known};
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::document::{self, read_time};
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

fn read(document: Node) -> Result<Replay, ApiError> {
    let replay = document::fields(document, |fields| {
        let from = fields.required("from", Node::read_string(read_time));
        let to = fields.required("to", Node::read_string(read_time));
        let event_name = fields.optional("name", Node::read_string(EventName::parse));
        let user_id = fields.optional("userId", Node::read_string(UserId::parse));
        let include_quiet = fields.optional("includeQuiet", Node::read_bool).unwrap_or_default();
        Some(Replay { event_name, user_id, from: from?, to: to?, include_quiet })
    })?;
    let replay = replay.ok_or(ApiError::Internal)?;
    if replay.from > replay.to {
        return Err(ApiError::invalid(Pointer::root().field("from"), "must not be after to"));
    }
    Ok(replay)
}

#[cfg(test)]
mod tests {
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
    fn a_replay_is_of_a_time_that_ends_after_it_begins() {
        let times = |from: &str, to: &str| format!(r#"{{"from":"{from}","to":"{to}","name":"item/used"}}"#);
        let (earlier, later) = ("2026-01-31T12:00:00Z", "2026-01-31T14:00:00+01:00");
        assert!(faults(&times(earlier, later)).is_empty());
        assert_eq!(faults(&times(later, earlier)), ["/from must not be after to"]);
        assert_eq!(faults("{}"), ["/from is required", "/to is required"]);
    }
}
