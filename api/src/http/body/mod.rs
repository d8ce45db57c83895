//! Reads a request's JSON body within bounds of type, size and time.

pub(crate) mod budget;
mod gzip;

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::{Method, header};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _};

use satchel_model::access::Role;

use self::budget::{BodyBudget, Share};
use crate::http::component::component;
use crate::http::problem::ApiError;

/// The whole body must be here within this time, in seconds.
const READ_DEADLINE_SECONDS: u64 = 10;

/// What a body's first piece may hold that is not counted in the memory for bodies, in bytes: most bodies are no longer.
const MAX_UNCOUNTED_BYTES: usize = 16 * 1024;

/// What a change of a document is written in (RFC 7396), beside `application/json`.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// How large a body may be after decompression.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For an array, in bytes.
    pub(crate) array_bytes: usize,
    /// For anything else, in bytes.
    pub(crate) other_bytes: usize,
    /// Whose it is: in whose share of the memory for bodies it counts.
    pub(crate) role: Role,
}

impl Limits {
    /// For one job, or one entry of an array of them, in bytes.
    pub(crate) const JOB_BYTES: usize = 64 * 1024;

    /// A catalogue document: 1 MiB.
    pub(crate) const CATALOGUE: Self =
        Self { array_bytes: 1024 * 1024, other_bytes: 1024 * 1024, role: Role::Operator };

    /// Jobs: 64 KiB for one, 1 MiB for an array of them, 128 KiB for a player's.
    pub(crate) fn jobs(role: Role) -> Self {
        let array_bytes = if role == Role::Player { 128 * 1024 } else { 1024 * 1024 };
        Self { array_bytes, other_bytes: Self::JOB_BYTES, role }
    }

    /// What is asked for beside jobs: 64 KiB, room for 1,000 job ids.
    pub(crate) fn operation(role: Role) -> Self {
        Self { array_bytes: 64 * 1024, other_bytes: 64 * 1024, role }
    }

    fn largest(self) -> usize {
        self.array_bytes.max(self.other_bytes)
    }
}

/// Reads the body of `application/json`, or of a `PATCH` in `application/merge-patch+json`, plain or gzip.
///
/// # Errors
/// 415 for another type or coding, 413 over the limit, 408 past the deadline, 400 for a body that
/// breaks off or is no gzip, 503 if too much is being read already.
pub(crate) async fn read_json(request: &HttpRequest, payload: Payload, limits: Limits) -> Result<Bytes, ApiError> {
    check_content_type(request)?;
    let is_gzip = is_gzip(request)?;
    // Compression that makes a body longer than its largest allowed content is not worth a look either.
    if declared_length(request).is_some_and(|length| length > limits.largest() as u64) {
        return Err(ApiError::TooLarge { limit_bytes: limits.largest() });
    }
    let share = component::<BodyBudget>(request)?.share(limits.role);
    let collected = async {
        if is_gzip {
            // Apart: a request's future is moved about, and this one is large and rare.
            Box::pin(inflate(payload, limits, &share)).await
        } else {
            collect(payload, limits, &share).await
        }
    };
    tokio::time::timeout(Duration::from_secs(READ_DEADLINE_SECONDS), collected)
        .await
        .unwrap_or(Err(ApiError::RequestTimeout { seconds: READ_DEADLINE_SECONDS }))
}

/// Like [`read_json`], where a body may be left out: then it is `None`, whatever type it says it has.
///
/// # Errors
/// As for [`read_json`], if there is a body.
pub(crate) async fn read_optional_json(
    request: &HttpRequest,
    payload: Payload,
    limits: Limits,
) -> Result<Option<Bytes>, ApiError> {
    // A request without either header has no body (RFC 9112 section 6.3).
    let is_chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
    if !is_chunked && declared_length(request).is_none_or(|length| length == 0) {
        return Ok(None);
    }
    let body = read_json(request, payload, limits).await?;
    Ok(Some(body).filter(|body| !body.is_empty()))
}

fn check_content_type(request: &HttpRequest) -> Result<(), ApiError> {
    let mut parts = content_type(request).split(';').map(str::trim);
    let is_json = parts.next().unwrap_or_default().eq_ignore_ascii_case("application/json");
    let is_patch = request.method() == Method::PATCH;
    let is_understood = is_json || (is_patch && is_merge_patch(request));
    if !is_understood {
        return Err(ApiError::UnsupportedMediaType(if is_patch {
            "the body must be of type application/merge-patch+json or application/json"
        } else {
            "the body must be of type application/json"
        }));
    }
    // JSON between systems is UTF-8 (RFC 8259 section 8.1), whatever a charset says; another one is a mistake.
    let charset = parts.filter_map(|part| part.split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match charset {
        Some((_, charset)) if !charset.trim_matches('"').eq_ignore_ascii_case("utf-8") => {
            Err(ApiError::UnsupportedMediaType("the body must be UTF-8"))
        }
        _ => Ok(()),
    }
}

fn content_type(request: &HttpRequest) -> &str {
    request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Whether the body says that it is a merge patch.
pub(crate) fn is_merge_patch(request: &HttpRequest) -> bool {
    content_type(request).split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(MERGE_PATCH))
}

fn is_gzip(request: &HttpRequest) -> Result<bool, ApiError> {
    let mut codings = request.headers().get_all(header::CONTENT_ENCODING);
    let coding = codings.next().map_or(Ok("identity"), |value| value.to_str());
    match coding.unwrap_or_default().trim() {
        _ if codings.next().is_some() => {}
        coding if coding.eq_ignore_ascii_case("identity") => return Ok(false),
        coding if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") => return Ok(true),
        _ => {}
    }
    Err(ApiError::UnsupportedMediaType("the content coding must be gzip or identity"))
}

fn declared_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

async fn inflate(payload: Payload, limits: Limits, share: &Share) -> Result<Bytes, ApiError> {
    let largest = limits.largest();
    let compressed = collect(payload, Limits { array_bytes: largest, other_bytes: largest, ..limits }, share).await?;
    let mut limit = Limit { limits, is_array: None };
    let body = gzip::inflate(&compressed, |step, total| limit.check(step, total))?;
    let mut reserved = share.reserve();
    reserved.grow(body.len())?;
    Ok(reserved.hold(body))
}

async fn collect<S>(mut chunks: S, limits: Limits, share: &Share) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut limit = Limit { limits, is_array: None };
    let Some(first) = chunks.next().await.transpose().map_err(|error| broken(&error))? else {
        return Ok(Bytes::new());
    };
    limit.check(&first, first.len())?;
    let mut reserved = share.reserve();
    if first.len() > MAX_UNCOUNTED_BYTES {
        reserved.grow(first.len())?;
    }
    // Most bodies come in one piece, which then need not be copied.
    let Some(mut chunk) = chunks.next().await.transpose().map_err(|error| broken(&error))? else {
        return Ok(reserved.hold(first));
    };
    let mut body = Vec::from(first);
    loop {
        let total = body.len() + chunk.len();
        limit.check(&chunk, total)?;
        if total > body.capacity() {
            let capacity = total.max(2 * body.capacity()).min(limits.largest());
            reserved.grow(capacity - body.capacity())?;
            body.reserve_exact(capacity - body.len());
        }
        body.extend_from_slice(&chunk);
        match chunks.next().await.transpose().map_err(|error| broken(&error))? {
            Some(next) => chunk = next,
            None => return Ok(reserved.hold(body.into())),
        }
    }
}

fn broken(error: &PayloadError) -> ApiError {
    tracing::debug!(%error, "a body could not be read");
    ApiError::Malformed("the body ended early, or does not fit its Content-Encoding or Transfer-Encoding".to_owned())
}

/// Knows which limit holds as soon as it has seen the first byte that is not white space.
struct Limit {
    limits: Limits,
    is_array: Option<bool>,
}

impl Limit {
    fn check(&mut self, chunk: &[u8], total: usize) -> Result<(), ApiError> {
        if self.is_array.is_none() {
            self.is_array = chunk.iter().find(|byte| !byte.is_ascii_whitespace()).map(|byte| *byte == b'[');
        }
        let limit_bytes = if self.is_array == Some(true) { self.limits.array_bytes } else { self.limits.other_bytes };
        if total > limit_bytes { Err(ApiError::TooLarge { limit_bytes }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
