//! `GET` and `POST /api/v1/webhooks`: all endpoints, and another one.

use actix_web::http::header::LOCATION;
use actix_web::{HttpRequest, HttpResponse, web};
use satchel_store::webhooks::{Endpoint, MAX_ENDPOINTS, operate};
use serde::Serialize;

use super::{document, seal_keys};
use crate::auth::operating::Operating;
use crate::http::deadline;
use crate::http::document::document;
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::server::state::State;

#[derive(Serialize)]
struct Endpoints {
    endpoints: Vec<Endpoint>,
}

#[derive(Serialize)]
struct Added {
    #[serde(flatten)]
    endpoint: Endpoint,
    secret: String,
}

/// Answers all endpoints; there are not many.
pub(crate) async fn list(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Parameters::of(&request)?.finish()?;
    let endpoints = deadline::answer(operate::all(&state.pool)).await?;
    Ok(HttpResponse::Ok().json(Endpoints { endpoints }))
}

/// Adds an endpoint. Its secret is told here and never again.
pub(crate) async fn add(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let document = document(&request, payload).await?;
    let new = document::new_endpoint(document, &state.allowed, &*state.catalogue.latest().await?)?;
    Parameters::of(&request)?.finish()?;
    let added = deadline::answer(operate::add(&state.pool, &new, seal_keys(&state)?, &operating.by())).await?;
    let Some(endpoint) = added else {
        return Err(ApiError::Conflict(format!("there are {MAX_ENDPOINTS} endpoints; remove one first")));
    };
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, format!("/api/v1/webhooks/{}", endpoint.endpoint_id)))
        .json(Added { endpoint, secret: new.secret.reveal() }))
}
