//! `GET /api/v1/queues/actions`: what operators did to the queue.

use actix_web::web::Data;
use satchel_store::Pool;
use satchel_store::actions::{self, Action};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::QUEUE;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{Page, Query};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static LIST: Route = Route {
    method: Method::Get,
    path: "/api/v1/queues/actions",
    operation: "listQueueActions",
    access: QUEUE,
    errors: &[503],
    handler: || handle(list),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Actions {
    #[schemars(with = "Vec<Value>")]
    actions: Vec<Action>,
    next_cursor: Option<String>,
}

/// Answers a page of the record, the newest first.
async fn list(Query(page): Query<Page<'a', i64>>, pool: Data<Pool>) -> Result<Answer<Actions>, ApiError> {
    let mut actions = deadline::answer(actions::page(&pool, page.after, page.look_for())).await?;
    let next_cursor = page.cut(&mut actions, |action| action.id);
    Ok(Answer(Actions { actions, next_cursor }))
}
