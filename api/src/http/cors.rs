//! Which web pages may call (Fetch standard, "CORS protocol"): none unless `SATCHEL_CORS_ORIGINS` names their origins.

use std::str::FromStr;

use actix_cors::Cors;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, header};
use actix_web::middleware::Condition;
use url::Url;

/// How long a browser may go on by what a preflight was answered, in seconds.
const MAX_AGE_SECONDS: usize = 600;

/// What pages may send beside what they always may.
const ALLOWED_HEADERS: [header::HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::HeaderName::from_static("idempotency-key"),
    header::HeaderName::from_static("prefer"),
    header::IF_MATCH,
    header::IF_NONE_MATCH,
];

/// What pages may see beside what they always may.
const EXPOSED_HEADERS: [&str; 6] =
    ["etag", "location", "retry-after", "x-request-id", "idempotent-replayed", "preference-applied"];

/// What any route takes.
const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The origins of pages that may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorsOrigins(Vec<String>);

/// A text that is no list of origins.
#[derive(Debug, thiserror::Error)]
#[error(
    "must be origins as browsers write them, comma separated, e.g. https://game.example or http://localhost:3000, not {0}"
)]
pub struct InvalidOrigin(String);

impl FromStr for CorsOrigins {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins
            .map(|origin| if is_origin(origin) { Ok(origin.to_owned()) } else { Err(InvalidOrigin(origin.to_owned())) })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Whether it is what a browser sends as `Origin` of a page of that place: in lower case, without path and usual port.
fn is_origin(text: &str) -> bool {
    Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text)
}

impl CorsOrigins {
    /// What answers preflights, and lets pages see answers, errors included.
    pub(crate) fn middleware(&self) -> Condition<Cors> {
        let cors = Cors::default()
            .allowed_methods(METHODS)
            .allowed_headers(ALLOWED_HEADERS)
            .expose_headers(EXPOSED_HEADERS)
            .max_age(MAX_AGE_SECONDS);
        let cors = self.0.iter().fold(cors, |cors, origin| cors.allowed_origin(origin));
        Condition::new(!self.0.is_empty(), cors)
    }
}

/// Gives answers the body that the other middleware takes.
pub(crate) fn boxed<S, B>(
    request: ServiceRequest,
    next: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let answer = next.call(request);
    async move { Ok(answer.await?.map_into_boxed_body()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        let origins: CorsOrigins = "https://game.example, http://localhost:3000,".parse().unwrap();
        assert_eq!(origins.0, ["https://game.example", "http://localhost:3000"]);
        assert_eq!("".parse::<CorsOrigins>().unwrap(), CorsOrigins::default());
        for odd in [
            "*",
            "null",
            "game.example",
            "https://game.example/",
            "https://game.example:443",
            "https://Game.example",
            "https://u@game.example",
            "ftp://game.example",
            "https://a.example https://b.example",
        ] {
            assert!(odd.parse::<CorsOrigins>().is_err(), "{odd}");
        }
    }
}
