//! `GET` and `POST /api/v1/webhooks`: all endpoints, and another one.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use satchel_store::Pool;
use satchel_store::webhooks::operate::NewEndpoint;
use satchel_store::webhooks::{Endpoint, MAX_ENDPOINTS, operate};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Sealing, WEBHOOKS};
use crate::auth::Operating;
use crate::http::answer::{Answer, Custom};
use crate::http::deadline;
use crate::http::extract::{Json, NoQuery};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static LIST: Route = Route {
    method: Method::Get,
    path: "/api/v1/webhooks",
    operation: "listEndpoints",
    access: WEBHOOKS,
    errors: &[503],
    handler: || handle(list),
};

pub(crate) static ADD: Route = Route {
    method: Method::Post,
    path: "/api/v1/webhooks",
    operation: "addEndpoint",
    access: WEBHOOKS,
    errors: &[409, 503],
    handler: || handle(add),
};

#[derive(Serialize, JsonSchema)]
struct Endpoints {
    #[schemars(with = "Vec<Value>")]
    endpoints: Vec<Endpoint>,
}

#[derive(Serialize, JsonSchema)]
struct Added {
    #[serde(flatten)]
    #[schemars(with = "Map<String, Value>")]
    endpoint: Endpoint,
    secret: String,
}

/// Answers all endpoints; there are not many.
async fn list(_: NoQuery, pool: Data<Pool>) -> Result<Answer<Endpoints>, ApiError> {
    let endpoints = deadline::answer(operate::all(&pool)).await?;
    Ok(Answer(Endpoints { endpoints }))
}

/// Adds an endpoint. Its secret is told here and never again.
async fn add(
    operating: Operating,
    Json(new): Json<NewEndpoint>,
    _: NoQuery,
    pool: Data<Pool>,
    sealing: Data<Sealing>,
) -> Result<Custom<Added, 201>, ApiError> {
    let added = deadline::answer(operate::add(&pool, &new, sealing.keys()?, &operating.by())).await?;
    let Some(endpoint) = added else {
        return Err(ApiError::Conflict(format!("there are {MAX_ENDPOINTS} endpoints; remove one first")));
    };
    let location = (LOCATION, format!("/api/v1/webhooks/{}", endpoint.endpoint_id));
    let added = Added { endpoint, secret: new.secret.reveal() };
    Ok(HttpResponse::Created().insert_header(location).json(added).into())
}
