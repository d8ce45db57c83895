//! The catalogue.

pub(super) mod publish;
pub(super) mod show;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::http::etag;
use crate::http::problem::ApiError;

pub(crate) use self::show::Written;

/// That the version which the client has is in force.
pub(super) fn not_modified(version: i64) -> HttpResponse {
    HttpResponse::NotModified().insert_header((header::ETAG, etag::of_version(version))).finish()
}

/// Reads a stored document or a part of one. Only checked documents are stored.
pub(super) fn read<'a, T: Deserialize<'a>>(json: &'a RawValue) -> Result<T, ApiError> {
    serde_json::from_str(json.get()).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    tracing::error!(%error, "the stored catalogue cannot be read");
    ApiError::Internal
}
