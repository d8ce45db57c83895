//! `GET /healthz`: the process answers.

use std::future::{Ready, ready};

use actix_web::HttpRequest;
use schemars::JsonSchema;
use serde::Serialize;

use super::report::OK;
use crate::auth::Access;
use crate::http::answer::Answer;
use crate::http::problem::ApiError;
use crate::routes::route::{Method, Route, handle};

pub(crate) static LIVE: Route = Route {
    method: Method::Get,
    path: "/healthz",
    operation: "live",
    access: Access::Anyone,
    errors: &[],
    handler: || handle(live),
};

#[derive(Serialize, JsonSchema)]
struct Live {
    status: &'static str,
}

/// Answers.
fn live(_: HttpRequest) -> Ready<Result<Answer<Live>, ApiError>> {
    ready(Ok(Answer(Live { status: OK })))
}
