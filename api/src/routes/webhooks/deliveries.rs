//! `GET /api/v1/webhooks/{endpointId}/deliveries`: what was sent to an endpoint, and what came of it.

use actix_web::web::Data;
use satchel_store::Pool;
use satchel_store::functions::Run;
use satchel_store::webhooks;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{EndpointId, WEBHOOKS, find};
use crate::http::answer::Answer;
use crate::http::extract::{PathId, Query};
use crate::http::problem::ApiError;
use crate::routes::functions::runs::RunsQuery;
use crate::routes::route::{Method, Route, handle};

pub(crate) static LIST: Route = Route {
    method: Method::Get,
    path: "/api/v1/webhooks/{endpointId}/deliveries",
    operation: "listDeliveries",
    access: WEBHOOKS,
    errors: &[503],
    handler: || handle(list),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Deliveries {
    #[schemars(with = "Vec<Value>")]
    deliveries: Vec<Run>,
    next_cursor: Option<String>,
}

/// Answers a page of deliveries, the newest first, each with its attempts and its last failures.
async fn list(
    Query(query): Query<RunsQuery>,
    PathId(endpoint_id): PathId<EndpointId>,
    pool: Data<Pool>,
) -> Result<Answer<Deliveries>, ApiError> {
    let target = find(&pool, endpoint_id).await?.endpoint_id.to_string();
    let (deliveries, next_cursor) = query.page(&pool, &webhooks::function_id()?, Some(&target)).await?;
    Ok(Answer(Deliveries { deliveries, next_cursor }))
}
