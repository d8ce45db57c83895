//! What every answer says to browsers and caches: nobody guesses what it is, and nobody keeps it. An answer with an
//! entity tag may be kept by the client itself, which then has to ask whether it still holds.

use actix_web::Error;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};

/// Middleware that adds the headers, unless a handler set them.
pub(crate) fn add<S>(request: ServiceRequest, next: &S) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let answer = next.call(request);
    async move {
        let mut answer = answer.await?;
        complete(answer.headers_mut());
        Ok(answer)
    }
}

fn complete(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        let keeping = if headers.contains_key(header::ETAG) { "private, no-cache" } else { "no-store" };
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keeping));
    }
}
