//! `POST /api/v1/queues/pause` and `/resume`: whether jobs are applied. They are accepted all the same.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use satchel_model::ids::Reason;
use satchel_store::Pool;
use satchel_store::queue_state::{self, QueueState};
use schemars::JsonSchema;
use serde::Serialize;

use super::{NAME, QUEUE};
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{Json, NoQuery, Received};
use crate::http::problem::ApiError;
use crate::routes::reason::Because;
use crate::routes::route::{Method, Route, handle};

pub(crate) static PAUSE: Route = Route {
    method: Method::Post,
    path: "/api/v1/queues/pause",
    operation: "pauseQueue",
    access: QUEUE,
    errors: &[503],
    handler: || handle(set::<true>),
};

pub(crate) static RESUME: Route = Route {
    method: Method::Post,
    path: "/api/v1/queues/resume",
    operation: "resumeQueue",
    access: QUEUE,
    errors: &[503],
    handler: || handle(set::<false>),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct QueueView {
    queue: &'static str,
    paused: bool,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    changed_at: Option<DateTime<Utc>>,
    changed_by: Option<String>,
    reason: Option<String>,
}

/// Lets nothing be applied, by whatever worker, until the queue is resumed, or lets jobs be applied again. When a pause is
/// answered, no batch is under way any more.
async fn set<const PAUSED: bool>(
    operating: Operating,
    _: (Received, NoQuery),
    Json(Because(reason)): Json<Because>,
    pool: Data<Pool>,
) -> Result<Answer<QueueView>, ApiError> {
    let by = operating.by();
    let reason = reason.as_ref().map(Reason::as_str);
    let changed = deadline::answer(queue_state::set(&pool, PAUSED, reason, &by)).await?;
    tracing::warn!(paused = PAUSED, actor = by.actor, request.id = by.request_id, "the queue was paused or resumed");
    let QueueState { is_paused, changed_at, changed_by, reason, .. } = changed;
    Ok(Answer(QueueView { queue: NAME, paused: is_paused, changed_at, changed_by, reason }))
}
