//! `GET /api/v1/queues/failed`: the jobs that failed too often and wait for an operator.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use satchel_model::ids::JobId;
use satchel_store::Pool;
use satchel_store::failed::{self, FailedJob};
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
    path: "/api/v1/queues/failed",
    operation: "listFailedJobs",
    access: QUEUE,
    errors: &[503],
    handler: || handle(list),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Failed {
    #[schemars(with = "Vec<Value>")]
    jobs: Vec<FailedJob>,
    next_cursor: Option<String>,
}

/// Answers a page of parked jobs, the one that was parked first first, each with all its failures.
async fn list(
    Query(page): Query<Page<'f', (DateTime<Utc>, JobId)>>,
    pool: Data<Pool>,
) -> Result<Answer<Failed>, ApiError> {
    let mut jobs = deadline::answer(failed::page(&pool, page.after, page.look_for())).await?;
    let next_cursor = page.cut(&mut jobs, |job| (job.parked_at, job.job_id));
    Ok(Answer(Failed { jobs, next_cursor }))
}
