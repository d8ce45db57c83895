//! `POST /api/v1/webhooks/{endpointId}/ping`: a `webhook/ping` for this endpoint alone, delivered as every other event.

use actix_web::web::Data;
use satchel_model::ids::RunId;
use satchel_queue::Queue;
use satchel_store::Pool;
use satchel_store::webhooks::operate;
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

pub(crate) static PING: Route = Route {
    method: Method::Post,
    path: "/api/v1/webhooks/{endpointId}/ping",
    operation: "pingEndpoint",
    access: WEBHOOKS,
    errors: &[409, 503],
    handler: || handle(ping),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Pinged {
    #[schemars(with = "Uuid")]
    run_id: RunId,
}

/// Tells of the ping, and answers which delivery it will be.
async fn ping(
    operating: Operating,
    _: (NoBody, NoQuery),
    PathId(endpoint_id): PathId<EndpointId>,
    pool: Data<Pool>,
    queue: Data<dyn Queue>,
) -> Result<Answer<Pinged, 202>, ApiError> {
    let endpoint = find_enabled(&pool, endpoint_id).await?;
    let by = operating.by();
    let pinged = operate::ping(&pool, endpoint.endpoint_id, queue.shards(), &by);
    let run_id = deadline::answer(pinged).await?;
    Ok(Answer(Pinged { run_id }))
}
