//! Who is calling: a JWT or an API key in `Authorization: Bearer …`, nowhere else.

mod api_key;
mod jwt;
mod keys;
pub(crate) mod permission;

use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, dev, web};
use futures_util::future::{Either, LocalBoxFuture};
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

    /// The actor that a token stands for.
    ///
    /// # Errors
    /// 401 whatever is wrong with it.
    fn of_token(&self, token: &str) -> Result<Arc<Actor>, ApiError> {
        self.tokens.verify(token).map_err(|reason| {
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
    /// Only an API key is waited for.
    type Future = Either<Ready<Result<Self, ApiError>>, LocalBoxFuture<'static, Result<Self, ApiError>>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let Some(state) = request.app_data::<web::Data<State>>() else {
            return Either::Left(ready(Err(ApiError::Internal)));
        };
        let Some(credential) = bearer(request.headers()) else {
            tracing::debug!("refused: no bearer credential");
            return Either::Left(ready(Err(ApiError::Unauthenticated)));
        };
        if !credential.starts_with(API_KEY_MARK) {
            return Either::Left(ready(state.authenticator.of_token(credential).map(Self)));
        }
        let (state, key) = (state.clone(), credential.to_owned());
        Either::Right(Box::pin(async move { state.authenticator.api_keys.verify(&key).await.map(Self) }))
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
