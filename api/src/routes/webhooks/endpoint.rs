//! `GET`, `PATCH` and `DELETE /api/v1/webhooks/{endpointId}`: one endpoint.

use actix_web::{HttpRequest, HttpResponse, web};
use satchel_store::webhooks::operate;

use super::{document, find, id_of};
use crate::auth::operating::Operating;
use crate::http::body;
use crate::http::deadline;
use crate::http::document::{document, nothing};
use crate::http::parameters::Parameters;
use crate::http::problem::ApiError;
use crate::server::state::State;

/// Answers the endpoint.
pub(crate) async fn show(
    _operating: Operating,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Parameters::of(&request)?.finish()?;
    Ok(HttpResponse::Ok().json(find(&state, id_of(&request)?).await?))
}

/// Changes what the document names, and answers the endpoint. A merge patch may name nothing.
pub(crate) async fn change(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let document = document(&request, payload).await?;
    let changes = document::changes(document, &state.allowed, &*state.catalogue.latest().await?)?;
    Parameters::of(&request)?.finish()?;
    let endpoint_id = id_of(&request)?;
    if document::is_nothing(&changes) {
        let is_patch = body::is_merge_patch(&request);
        return if is_patch {
            Ok(HttpResponse::Ok().json(find(&state, endpoint_id).await?))
        } else {
            Err(document::no_change())
        };
    }
    if !deadline::answer(operate::change(&state.pool, endpoint_id, &changes, &operating.by())).await? {
        return Err(ApiError::NotFound);
    }
    Ok(HttpResponse::Ok().json(find(&state, endpoint_id).await?))
}

/// Removes the endpoint; what waits to be delivered to it is cancelled.
pub(crate) async fn remove(
    operating: Operating,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    nothing(document(&request, payload).await?)?;
    Parameters::of(&request)?.finish()?;
    if !deadline::answer(operate::remove(&state.pool, id_of(&request)?, &operating.by())).await? {
        return Err(ApiError::NotFound);
    }
    Ok(HttpResponse::NoContent().finish())
}
