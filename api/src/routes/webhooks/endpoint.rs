//! `GET`, `PATCH` and `DELETE /api/v1/webhooks/{endpointId}`: one endpoint.

use actix_web::HttpRequest;
use actix_web::web::Data;
use satchel_store::Pool;
use satchel_store::webhooks::operate::Changes;
use satchel_store::webhooks::{Endpoint, operate};

use super::{EndpointId, WEBHOOKS, document, find};
use crate::auth::Operating;
use crate::http::answer::{Answer, Done, Untyped};
use crate::http::body;
use crate::http::deadline;
use crate::http::extract::{Json, NoBody, NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static SHOW: Route = Route {
    method: Method::Get,
    path: "/api/v1/webhooks/{endpointId}",
    operation: "showEndpoint",
    access: WEBHOOKS,
    errors: &[503],
    handler: || handle(show),
};

pub(crate) static CHANGE: Route = Route {
    method: Method::Patch,
    path: "/api/v1/webhooks/{endpointId}",
    operation: "changeEndpoint",
    access: WEBHOOKS,
    errors: &[503],
    handler: || handle(change),
};

pub(crate) static REMOVE: Route = Route {
    method: Method::Delete,
    path: "/api/v1/webhooks/{endpointId}",
    operation: "removeEndpoint",
    access: WEBHOOKS,
    errors: &[503],
    handler: || handle(remove),
};

/// Answers the endpoint.
async fn show(
    _: NoQuery,
    PathId(endpoint_id): PathId<EndpointId>,
    pool: Data<Pool>,
) -> Result<Answer<Untyped<Endpoint>>, ApiError> {
    find(&pool, endpoint_id).await.map(|endpoint| Answer(Untyped(endpoint)))
}

/// Changes what the document names, and answers the endpoint. A merge patch may name nothing.
async fn change(
    operating: Operating,
    Json(changes): Json<Changes>,
    _: NoQuery,
    PathId(endpoint_id): PathId<EndpointId>,
    request: HttpRequest,
    pool: Data<Pool>,
) -> Result<Answer<Untyped<Endpoint>>, ApiError> {
    if document::is_nothing(&changes) {
        if !body::is_merge_patch(&request) {
            return Err(document::no_change());
        }
    } else if !deadline::answer(operate::change(&pool, endpoint_id.0, &changes, &operating.by())).await? {
        return Err(ApiError::NotFound);
    }
    find(&pool, endpoint_id).await.map(|endpoint| Answer(Untyped(endpoint)))
}

/// Removes the endpoint; what waits to be delivered to it is cancelled.
async fn remove(
    operating: Operating,
    _: (NoBody, NoQuery),
    PathId(endpoint_id): PathId<EndpointId>,
    pool: Data<Pool>,
) -> Result<Done, ApiError> {
    if deadline::answer(operate::remove(&pool, endpoint_id.0, &operating.by())).await? {
        Ok(Done)
    } else {
        Err(ApiError::NotFound)
    }
}
