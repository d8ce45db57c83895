//! `POST /api/v1/queues/clean`: forgets decided jobs and archives parked ones that are past their retention, as workers
//! do by and by.

use actix_web::web::Data;
use satchel_store::housekeeping::{self, Cleaned};
use satchel_store::{Pool, Retention};

use super::QUEUE;
use crate::auth::Operating;
use crate::http::answer::{Answer, Untyped};
use crate::http::deadline;
use crate::http::extract::{NoBody, NoQuery};
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static CLEAN: Route = Route {
    method: Method::Post,
    path: "/api/v1/queues/clean",
    operation: "cleanQueue",
    access: QUEUE,
    errors: &[503],
    handler: || handle(clean),
};

/// Cleans as much as one request may.
async fn clean(
    operating: Operating,
    _: (NoBody, NoQuery),
    pool: Data<Pool>,
    retention: Data<Retention>,
) -> Result<Answer<Untyped<Cleaned>>, ApiError> {
    let cleaned = deadline::sweep(housekeeping::clean(&pool, &retention, &operating.by())).await?;
    Ok(Answer(Untyped(cleaned)))
}
