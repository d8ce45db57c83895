//! `GET /api/v1/queues/stats`: how much waits, how much is being done, and by whom.

use actix_web::web::Data;
use satchel_queue::Queue;
use satchel_store::Pool;

use super::QUEUE;
use super::snapshot::Snapshot;
use crate::http::answer::Answer;
use crate::http::extract::NoQuery;
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/api/v1/queues/stats",
    operation: "showQueue",
    access: QUEUE,
    errors: &[503],
    handler: || handle(show),
};

/// Answers the queue's statistics, in all, by shard and by worker.
async fn show(_: NoQuery, queue: Data<dyn Queue>, pool: Data<Pool>) -> Result<Answer<Snapshot>, ApiError> {
    Snapshot::take(&**queue, &pool).await.map(Answer)
}
