//! Who is calling: a JWT or an API key in `Authorization: Bearer …`, nowhere else.

pub(crate) mod access;
mod api_key;
mod client_address;
mod jwks;
mod jwt;
mod key_source;
mod keys;
mod limit;
mod operating;
mod refusals;

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpMessage as _, HttpRequest};
use satchel_model::access::Actor;
use satchel_model::ids::RequestId;
use satchel_settings::{Env, Networks, Span};
use sha2::{Digest, Sha256};

use crate::http::component::component;
use crate::http::extract::{Extract, Parts};
use crate::http::problem::ApiError;
use api_key::ApiKeys;
use jwt::TokenVerifier;
use limit::Limit;
use refusals::{Refusal, Refusals};

pub(crate) use access::{Access, ReadableUser};
pub(crate) use key_source::{KeyReload, KeySource};
pub(crate) use keys::TokenKeys;
pub(crate) use operating::Operating;

/// How API keys begin.
const API_KEY_MARK: &str = "sk_";

/// How many bad credentials an address may send in a minute before it is answered 429.
const REFUSED_PER_MINUTE: u32 = 600;

/// What is asked of credentials, beside their keys.
pub(crate) struct Rules {
    /// `SATCHEL_JWT_MAX_AGE`: the longest time that a token may be valid for. Default: any.
    max_age: Option<Span>,
    /// `SATCHEL_REFUSED_PER_MINUTE`: bad credentials from one address before it is answered 429; 0 for no limit.
    refused_per_minute: u32,
    /// `SATCHEL_TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed. Default: nobody's.
    proxies: Networks,
}

impl Rules {
    /// Reads the environment; faults are noted in `env`.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        Self {
            max_age: env.optional("SATCHEL_JWT_MAX_AGE"),
            refused_per_minute: env.or("SATCHEL_REFUSED_PER_MINUTE", REFUSED_PER_MINUTE),
            proxies: env.or("SATCHEL_TRUSTED_PROXIES", Networks::default()),
        }
    }
}

/// Turns credentials into actors.
pub(crate) struct Authenticator {
    tokens: TokenVerifier,
    api_keys: ApiKeys,
    limit: Limit,
    refusals: Refusals,
    proxies: Networks,
}

/// Where a credential came from.
struct Sender {
    address: Option<IpAddr>,
    request: Option<RequestId>,
}

impl Authenticator {
    pub(crate) fn new(keys: TokenKeys, rules: Rules, pool: satchel_store::Pool) -> Self {
        refusals::describe();
        Self {
            tokens: TokenVerifier::new(keys, rules.max_age),
            api_keys: ApiKeys::new(pool),
            limit: Limit::new(rules.refused_per_minute),
            refusals: Refusals::default(),
            proxies: rules.proxies,
        }
    }

    /// From now on tokens are checked by these keys, and no others.
    fn change_keys(&self, keys: TokenKeys) {
        self.tokens.change_keys(keys);
    }

    /// The actor that a token stands for.
    ///
    /// # Errors
    /// 401 whatever is wrong with it; 429 after too many bad ones.
    fn of_token(&self, token: &str, request: &HttpRequest) -> Result<Arc<Actor>, ApiError> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        if let Some(actor) = self.tokens.remembered(&digest) {
            return Ok(actor);
        }
        let sender = self.sender(request);
        self.admit(&sender, &digest)?;
        self.conclude(self.tokens.verify(token, digest).map_err(Refusal::from), &sender, digest)
    }

    /// The actor that an API key stands for.
    ///
    /// # Errors
    /// As [`Self::of_token`], and 503 if it cannot be looked up.
    async fn of_api_key(&self, key: &str, sender: Sender) -> Result<Arc<Actor>, ApiError> {
        let digest: [u8; 32] = Sha256::digest(key).into();
        self.admit(&sender, &digest)?;
        self.conclude(self.api_keys.verify(key, &digest).await?, &sender, digest)
    }

    fn sender(&self, request: &HttpRequest) -> Sender {
        Sender {
            address: client_address::of(request, &self.proxies),
            request: request.extensions().get::<RequestId>().cloned(),
        }
    }

    fn admit(&self, sender: &Sender, digest: &[u8; 32]) -> Result<(), ApiError> {
        self.limit.admit(sender.address, digest).map_err(|seconds| {
            Refusals::count("limit");
            ApiError::TooManyRefused { seconds }
        })
    }

    fn conclude(
        &self,
        checked: Result<Arc<Actor>, Refusal>,
        sender: &Sender,
        digest: [u8; 32],
    ) -> Result<Arc<Actor>, ApiError> {
        match checked {
            Ok(actor) => {
                self.limit.know(digest);
                Ok(actor)
            }
            Err(refusal) => {
                self.limit.refuse(sender.address);
                self.refusals.note(&refusal, sender.address, sender.request.as_ref());
                Err(ApiError::Unauthenticated)
            }
        }
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

/// Lets a request in: `None` where anyone may.
///
/// # Errors
/// 401 without a good credential, 429 after too many bad ones, 403 to those who may not, 503 if a key cannot be looked up.
pub(crate) async fn admit(access: Access, request: &HttpRequest) -> Result<Option<Arc<Actor>>, ApiError> {
    if access == Access::Anyone {
        return Ok(None);
    }
    let authenticator = component::<Authenticator>(request)?;
    let Some(credential) = bearer(request.headers()) else {
        Refusals::count("none");
        return Err(ApiError::Unauthenticated);
    };
    let actor = if credential.starts_with(API_KEY_MARK) {
        // Apart: a request's future is moved about, and only an API key is waited for.
        Box::pin(authenticator.of_api_key(credential, authenticator.sender(request))).await?
    } else {
        authenticator.of_token(credential, request)?
    };
    access.check(&actor)?;
    Ok(Some(actor))
}

/// Who sent the request, where the route asks.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Arc<Actor>);

impl std::ops::Deref for Caller {
    type Target = Actor;

    fn deref(&self) -> &Actor {
        &self.0
    }
}

impl Extract for Caller {
    async fn extract(parts: &mut Parts) -> Result<Self, ApiError> {
        parts.caller().cloned().map(Self)
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
