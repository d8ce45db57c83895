//! `POST /api/v1/webhooks/{endpointId}/deliveries/{runId}/redeliver`: one delivery again, under the id that it had, by
//! which receivers know repetitions.

use actix_web::web::Data;
use satchel_model::ids::RunId;
use satchel_store::Pool;
use satchel_store::webhooks::deliveries::{self, Redelivery};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{EndpointId, WEBHOOKS, find_enabled};
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{NoBody, NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static REDELIVER: Route = Route {
    method: Method::Post,
    path: "/api/v1/webhooks/{endpointId}/deliveries/{runId}/redeliver",
    operation: "redeliver",
    access: WEBHOOKS,
    errors: &[409, 503],
    handler: || handle(redeliver),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Redelivered {
    #[schemars(with = "Uuid")]
    run_id: RunId,
}

/// Has the event delivered again, whatever came of it before, with as many attempts as a new one.
async fn redeliver(
    operating: Operating,
    _: (NoBody, NoQuery),
    PathId(run_id): PathId<RunId>,
    PathId(endpoint_id): PathId<EndpointId>,
    pool: Data<Pool>,
) -> Result<Answer<Redelivered, 202>, ApiError> {
    let endpoint = find_enabled(&pool, endpoint_id).await?;
    let by = operating.by();
    let redelivered = deliveries::redeliver(&pool, endpoint.endpoint_id, run_id, &by);
    match deadline::answer(redelivered).await? {
        Redelivery::Due => Ok(Answer(Redelivered { run_id })),
        Redelivery::Running => Err(ApiError::Conflict("it is being delivered at this moment".to_owned())),
        Redelivery::Unknown => Err(ApiError::NotFound),
    }
}
