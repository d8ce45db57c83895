//! `POST /api/v1/webhooks/{endpointId}/secret`: another secret. The one before signs as well for a day.

use actix_web::web::Data;
use chrono::{DateTime, Utc};
use satchel_store::Pool;
use satchel_store::webhooks::operate;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::{EndpointId, Sealing, WEBHOOKS, new_secret};
use crate::auth::Operating;
use crate::http::answer::Answer;
use crate::http::deadline;
use crate::http::extract::{NoBody, NoQuery, PathId};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static ROTATE: Route = Route {
    method: Method::Post,
    path: "/api/v1/webhooks/{endpointId}/secret",
    operation: "rotateSecret",
    access: WEBHOOKS,
    errors: &[409, 503],
    handler: || handle(rotate),
};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Rotated {
    endpoint_id: Uuid,
    secret: String,
    #[serde(serialize_with = "satchel_model::moment::serialize")]
    previous_secret_until: DateTime<Utc>,
}

/// Makes another secret, and tells it here and never again.
async fn rotate(
    operating: Operating,
    _: (NoBody, NoQuery),
    PathId(EndpointId(endpoint_id)): PathId<EndpointId>,
    pool: Data<Pool>,
    sealing: Data<Sealing>,
) -> Result<Answer<Rotated>, ApiError> {
    let secret = new_secret()?;
    let by = operating.by();
    let rotated = operate::rotate_secret(&pool, endpoint_id, &secret, sealing.keys()?, &by);
    let previous_secret_until = deadline::answer(rotated).await?.ok_or(ApiError::NotFound)?;
    Ok(Answer(Rotated { endpoint_id, secret: secret.reveal(), previous_secret_until }))
}
