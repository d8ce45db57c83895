//! Reads a request's JSON body within bounds of type, size and time.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::{Method, header};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::{Stream, StreamExt as _};

use crate::gzip;
use crate::problem::ApiError;

/// The whole body must be here within this time, in seconds.
const READ_DEADLINE_SECONDS: u64 = 10;

/// What a change of a document is written in (RFC 7396), beside `application/json`.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// How large a body may be after decompression.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For an array, in bytes.
    pub(crate) array_bytes: usize,
    /// For anything else, in bytes.
    pub(crate) other_bytes: usize,
}

impl Limits {
    /// Jobs: 64 KiB for one, 1 MiB for an array of them.
    pub(crate) const JOBS: Self = Self { array_bytes: 1024 * 1024, other_bytes: 64 * 1024 };
    /// What an operator asks for: 64 KiB, room for 1,000 job ids.
    pub(crate) const OPERATION: Self = Self { array_bytes: 64 * 1024, other_bytes: 64 * 1024 };
    /// A catalogue document: 1 MiB.
    pub(crate) const CATALOGUE: Self = Self { array_bytes: 1024 * 1024, other_bytes: 1024 * 1024 };

    fn largest(self) -> usize {
        self.array_bytes.max(self.other_bytes)
    }
}

/// Reads the body of `application/json`, or of a `PATCH` in `application/merge-patch+json`, plain or gzip.
///
/// # Errors
/// 415 for another type or coding, 413 over the limit, 408 past the deadline, 400 for a body that
/// breaks off or is no gzip.
pub(crate) async fn read_json(request: &HttpRequest, payload: Payload, limits: Limits) -> Result<Bytes, ApiError> {
    check_content_type(request)?;
    let is_gzip = is_gzip(request)?;
    // Compression that makes a body longer than its largest allowed content is not worth a look either.
    if declared_length(request).is_some_and(|length| length > limits.largest() as u64) {
        return Err(ApiError::TooLarge { limit_bytes: limits.largest() });
    }
    let collected = async {
        if is_gzip {
            // Apart: a request's future is moved about, and this one is large and rare.
            Box::pin(inflate(payload, limits)).await
        } else {
            collect(payload, limits).await
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

async fn inflate(payload: Payload, limits: Limits) -> Result<Bytes, ApiError> {
    let largest = limits.largest();
    let compressed = collect(payload, Limits { array_bytes: largest, other_bytes: largest }).await?;
    let mut limit = Limit { limits, is_array: None };
    gzip::inflate(&compressed, |step, total| limit.check(step, total))
}

async fn collect<S>(mut chunks: S, limits: Limits) -> Result<Bytes, ApiError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut limit = Limit { limits, is_array: None };
    let Some(first) = chunks.next().await.transpose().map_err(|error| broken(&error))? else {
        return Ok(Bytes::new());
    };
    limit.check(&first, first.len())?;
    // Most bodies come in one piece, which then need not be copied.
    let Some(second) = chunks.next().await.transpose().map_err(|error| broken(&error))? else {
        return Ok(first);
    };
    let mut body = BytesMut::from(first.as_ref());
    let mut next = Some(second);
    while let Some(chunk) = next {
        limit.check(&chunk, body.len() + chunk.len())?;
        body.extend_from_slice(&chunk);
        next = chunks.next().await.transpose().map_err(|error| broken(&error))?;
    }
    Ok(body.freeze())
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
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    async fn read(request: TestRequest, body: Vec<u8>) -> Result<Bytes, ApiError> {
        let (request, mut payload) = request.set_payload(body).to_http_parts();
        let payload = <Payload as actix_web::FromRequest>::from_request(&request, &mut payload).await.unwrap();
        read_json(&request, payload, Limits::JOBS).await
    }

    fn json() -> TestRequest {
        TestRequest::post().insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"))
    }

    #[actix_web::test]
    async fn an_object_and_an_array_have_their_own_limits() {
        let body = |first: &str, length: usize| format!("  {first}{}", "x".repeat(length)).into_bytes();
        assert!(read(json(), body("{", 60_000)).await.is_ok());
        assert!(matches!(read(json(), body("{", 65_536)).await, Err(ApiError::TooLarge { limit_bytes: 65_536 })));
        assert!(read(json(), body("[", 1_000_000)).await.is_ok());
        assert!(matches!(read(json(), body("[", 1_048_576)).await, Err(ApiError::TooLarge { limit_bytes: 1_048_576 })));
        assert!(matches!(read(json(), vec![b' '; 65_537]).await, Err(ApiError::TooLarge { .. })));
    }

    #[actix_web::test]
    async fn another_type_or_coding_is_refused() {
        for content_type in ["text/plain", "application/jsonx", "application/xml; q=application/json", ""] {
            let request = TestRequest::post().insert_header((header::CONTENT_TYPE, content_type));
            assert!(matches!(read(request, b"{}".to_vec()).await, Err(ApiError::UnsupportedMediaType(_))));
        }
        assert!(matches!(read(TestRequest::post(), b"{}".to_vec()).await, Err(ApiError::UnsupportedMediaType(_))));
        for coding in ["br", "gzip, gzip", "deflate", ""] {
            let request = json().insert_header((header::CONTENT_ENCODING, coding));
            assert!(matches!(read(request, b"{}".to_vec()).await, Err(ApiError::UnsupportedMediaType(_))));
        }
    }

    #[actix_web::test]
    async fn a_merge_patch_goes_with_patch_alone() {
        let typed = |request: TestRequest| {
            request.insert_header((header::CONTENT_TYPE, "application/merge-patch+json; charset=utf-8"))
        };
        assert_eq!(read(typed(TestRequest::patch()), b"{}".to_vec()).await.unwrap(), "{}");
        let posted = read(typed(TestRequest::post()), b"{}".to_vec()).await;
        assert!(matches!(posted, Err(ApiError::UnsupportedMediaType(_))));
        let json = TestRequest::patch().insert_header((header::CONTENT_TYPE, "application/json"));
        assert_eq!(read(json, b"{}".to_vec()).await.unwrap(), "{}");
        let text = TestRequest::patch().insert_header((header::CONTENT_TYPE, "text/plain"));
        assert!(matches!(read(text, b"{}".to_vec()).await, Err(ApiError::UnsupportedMediaType(_))));
    }

    #[actix_web::test]
    async fn a_body_that_may_be_left_out_is_none_or_as_good_as_any() {
        // Setting the payload sets its length, too.
        let read = async |request: TestRequest, body: &str| {
            let (request, mut payload) = request.set_payload(body.to_owned()).to_http_parts();
            let payload = <Payload as actix_web::FromRequest>::from_request(&request, &mut payload).await.unwrap();
            read_optional_json(&request, payload, Limits::OPERATION).await
        };
        assert!(read(TestRequest::post(), "").await.unwrap().is_none());
        let form = || TestRequest::post().insert_header((header::CONTENT_TYPE, "application/x-www-form-urlencoded"));
        assert!(read(form(), "").await.unwrap().is_none());
        assert!(read(json().insert_header((header::TRANSFER_ENCODING, "chunked")), "").await.unwrap().is_none());
        assert_eq!(read(json(), "{}").await.unwrap().unwrap(), "{}");
        assert!(matches!(read(form(), "{}").await, Err(ApiError::UnsupportedMediaType(_))));
        let long = "x".repeat(65_537);
        assert!(matches!(read(json(), &long).await, Err(ApiError::TooLarge { limit_bytes: 65_536 })));
    }

    #[actix_web::test]
    async fn a_gzip_body_counts_by_what_it_inflates_to() {
        let gzip =
            |name: &str| std::fs::read(format!("{}/fixtures/{name}.json.gz", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let request = || json().insert_header((header::CONTENT_ENCODING, "gzip"));
        assert_eq!(read(request(), gzip("small")).await.unwrap(), r#"{"type":"use_item"}"#);
        assert!(matches!(
            read(request(), gzip("bomb_of_8_mib")).await,
            Err(ApiError::TooLarge { limit_bytes: 65_536 })
        ));
        let twice = [gzip("small"), gzip("small")].concat();
        let text = r#"{"type":"use_item"}"#;
        assert_eq!(read(request(), twice).await.unwrap(), format!("{text}{text}"));
        let mut cut = gzip("small");
        cut.truncate(12);
        assert!(matches!(read(request(), cut).await, Err(ApiError::Malformed(_))));
        assert!(matches!(read(request(), b"{}".to_vec()).await, Err(ApiError::Malformed(_))));
    }
}
