//! Every answer carries `X-Request-Id`: the client's own one if it has the right form, else a new one.

use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage as _};
use satchel_model::ids::RequestId;
use satchel_wire::Fresh;

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Middleware that settles the request's id before anything else happens, and puts it on the answer.
pub(crate) fn tag<S>(request: ServiceRequest, next: &S) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let id = given(request.headers().get(&X_REQUEST_ID)).unwrap_or_else(RequestId::random);
    let value = HeaderValue::from_str(id.as_str());
    request.extensions_mut().insert(id);
    let answer = next.call(request);
    async move {
        let mut answer = answer.await?;
        // A request id's characters are all allowed in headers.
        if let Ok(value) = value {
            answer.headers_mut().insert(X_REQUEST_ID.clone(), value);
        }
        Ok(answer)
    }
}

fn given(header: Option<&HeaderValue>) -> Option<RequestId> {
    RequestId::parse(header?.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_id_is_not_taken_over() {
        let given = |text: &'static str| given(Some(&HeaderValue::from_static(text)));
        assert_eq!(given("abc-1").unwrap().as_str(), "abc-1");
        assert!(given("a b").is_none());
        assert!(given("").is_none());
        assert!(super::given(None).is_none());
    }
}
