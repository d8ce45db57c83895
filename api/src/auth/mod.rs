//! Who is calling: a JWT or an API key in `Authorization: Bearer …`, nowhere else.

mod api_key;
mod jwt;
mod keys;
pub(crate) mod permission;

use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, dev, web};
use futures_util::future::LocalBoxFuture;
use satchel_shared::domain::Actor;
use satchel_shared::store;

use crate::problem::ApiError;
use crate::state::State;
use api_key::ApiKeys;
use jwt::TokenVerifier;

pub(crate) use keys::{Origin, TokenKeys};

/// How API keys begin.
const API_KEY_MARK: &str = "sk_";

/// Turns credentials into actors.
pub(crate) struct Authenticator {
    tokens: TokenVerifier,
    api_keys: ApiKeys,
}

impl Authenticator {
    pub(crate) fn new(keys: TokenKeys, pool: store::Pool) -> Self {
        Self { tokens: TokenVerifier::new(keys), api_keys: ApiKeys::new(pool) }
    }

    /// The actor that the request's credential stands for.
    ///
    /// # Errors
    /// 401 whatever is wrong with it; 503 if an API key cannot be looked up.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<Arc<Actor>, ApiError> {
        let Some(credential) = bearer(headers) else {
            tracing::debug!("refused: no bearer credential");
            return Err(ApiError::Unauthenticated);
        };
        if credential.starts_with(API_KEY_MARK) {
            return self.api_keys.verify(credential).await;
        }
        self.tokens.verify(credential).await.map_err(|reason| {
            tracing::debug!(%reason, "refused a token");
            ApiError::Unauthenticated
        })
    }
}

/// The credential of the one `Authorization` header, if it is of the scheme `Bearer` (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(header::AUTHORIZATION);
    let line = lines.next()?.to_str().ok()?;
    if lines.next().is_some() {
        return None;
    }
    let (scheme, credential) = line.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
}

/// The authenticated caller of a request. A handler that takes it answers nobody else.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Arc<Actor>);

impl std::ops::Deref for Caller {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state = request.app_data::<web::Data<State>>().ok_or(ApiError::Internal)?;
            state.authenticator.authenticate(request.headers()).await.map(Self)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn bearer_of(lines: &[&str]) -> Option<String> {
        let request = lines
            .iter()
            .fold(TestRequest::default(), |request, line| request.append_header((header::AUTHORIZATION, *line)));
        bearer(request.to_http_request().headers()).map(str::to_owned)
    }

    #[test]
    fn only_one_bearer_credential_counts() {
        assert_eq!(bearer_of(&["Bearer abc"]).as_deref(), Some("abc"));
        assert_eq!(bearer_of(&["bearer  abc "]).as_deref(), Some("abc"));
        for odd in [&["Basic abc"][..], &["Bearer"], &["abc"], &[""], &["Bearer a", "Bearer a"], &[]] {
            assert_eq!(bearer_of(odd), None, "{odd:?}");
        }
    }
}
