//! Verifies JSON Web Tokens (RFC 7519) with the habits of RFC 8725: the key decides the algorithm,
//! never the token; nothing that a token's header points at is fetched or trusted.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Header, decode, decode_header, get_current_timestamp};
use moka::sync::Cache;
use satchel_shared::domain::{Actor, InvalidId, Role, Scopes};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::keys::TokenKeys;

/// A longer token is refused unread, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A verified token's signature is not checked again for so long, in seconds: checking ES256 takes
/// longer than all else that a request does. Its `exp` is checked at every use.
const REMEMBERED_SECONDS: u64 = 60;

/// The most verified tokens that are remembered at once.
const MAX_REMEMBERED: u64 = 10_000;

/// Why a token was refused: for the log only, the client learns nothing of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    #[error("the header brings a key, points at one, or asks for an extension")]
    HeaderParameter,
    #[error("no key fits the header's alg and kid")]
    NoKey,
    #[error("the role is not known")]
    Role,
    #[error("the subject is not an id: {0}")]
    Subject(#[from] InvalidId),
    #[error(transparent)]
    Token(#[from] jsonwebtoken::errors::Error),
}

/// What a token says about its bearer. `exp`, `nbf`, `iss` and `aud` are checked by `jsonwebtoken` as well.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    role: String,
    #[serde(default)]
    scope: String,
    /// Seconds since 1970, possibly with a fraction (RFC 7519 section 2, `NumericDate`).
    exp: f64,
    /// RFC 7519 section 4.1.1 knows one issuer only; being typed so refuses a list of them.
    #[serde(rename = "iss")]
    _issuer: String,
}

/// Turns tokens into actors.
pub(crate) struct TokenVerifier {
    keys: TokenKeys,
    /// By the token's SHA-256, so that memory holds no tokens.
    verified: Cache<[u8; 32], Verified>,
}

#[derive(Clone)]
struct Verified {
    actor: Arc<Actor>,
    expires: f64,
}

impl TokenVerifier {
    pub(crate) fn new(keys: TokenKeys) -> Self {
        let verified =
            Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(Duration::from_secs(REMEMBERED_SECONDS)).build();
        Self { keys, verified }
    }

    /// The actor that the token names.
    pub(super) fn verify(&self, token: &str) -> Result<Arc<Actor>, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::TooLong);
        }
        let digest: [u8; 32] = Sha256::digest(token).into();
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
        let now = get_current_timestamp() as f64;
        if let Some(known) = self.verified.get(&digest)
            && known.expires > now
        {
            return Ok(known.actor);
        }
        let verified = self.check(token)?;
        let actor = verified.actor.clone();
        self.verified.insert(digest, verified);
        Ok(actor)
    }

    fn check(&self, token: &str) -> Result<Verified, Refused> {
        let header = decode_header(token)?;
        if has_foreign_parameters(&header) {
            return Err(Refused::HeaderParameter);
        }
        let key = self.keys.find(header.alg, header.kid.as_deref()).ok_or(Refused::NoKey)?;
        let claims = decode::<Claims>(token, &key.key, &key.validation)?.claims;
        let role = Role::parse(&claims.role).ok_or(Refused::Role)?;
        let actor = Actor::new(role, &claims.sub, Scopes::of_claim(&claims.scope))?;
        Ok(Verified { actor: Arc::new(actor), expires: claims.exp })
    }
}

/// Parameters that bring or point at keys (RFC 7515 sections 4.1.2 to 4.1.6), extensions that must be
/// understood (4.1.11), and those of encrypted tokens.
fn has_foreign_parameters(header: &Header) -> bool {
    header.jku.is_some()
        || header.jwk.is_some()
        || header.x5u.is_some()
        || header.x5c.is_some()
        || header.crit.is_some()
        || header.enc.is_some()
        || header.zip.is_some()
}

#[cfg(test)]
#[path = "jwt_tests.rs"]
mod tests;
