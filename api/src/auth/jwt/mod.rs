//! Verifies JSON Web Tokens (RFC 7519) with the habits of RFC 8725: the key decides the algorithm,
//! never the token; nothing that a token's header points at is fetched or trusted.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, decode, decode_header, get_current_timestamp};
use moka::sync::Cache;
use satchel_model::access::{Actor, Role, Scopes};
use satchel_model::ids::InvalidId;
use satchel_settings::Span;
use serde::Deserialize;

use super::keys::{LEEWAY_SECONDS, NamedKey, TokenKeys};
use super::refusals::Refusal;

/// A longer token is refused unread, in bytes.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// A verified token's signature is not checked again for so long, in seconds: checking ES256 takes
/// longer than all else that a request does. Its `exp` is checked at every use.
const REMEMBERED_SECONDS: u64 = 60;

/// The most verified tokens that are remembered at once.
const MAX_REMEMBERED: u64 = 10_000;

/// What `typ` may be where it is given (RFC 7519 section 5.1, RFC 9068 section 2.1), whatever its case.
const TYPES: [&str; 3] = ["JWT", "at+jwt", "application/at+jwt"];

/// Why a token was refused: for the log only, the client learns nothing of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    #[error("the header brings a key, points at one, or asks for an extension")]
    HeaderParameter,
    #[error("the header's typ is neither JWT nor at+jwt")]
    Type,
    #[error("no key fits the header's alg and kid")]
    NoKey,
    #[error("iat is in the future")]
    IssuedLater,
    #[error("it is valid for longer than SATCHEL_JWT_MAX_AGE, or does not say since when (iat)")]
    LivesTooLong,
    #[error("the role is not known")]
    Role,
    #[error("the subject is not an id: {0}")]
    Subject(#[from] InvalidId),
    #[error(transparent)]
    Token(#[from] jsonwebtoken::errors::Error),
}

impl Refused {
    /// Which check failed, in a word.
    fn check(&self) -> &'static str {
        match self {
            Self::TooLong => "length",
            Self::HeaderParameter => "header",
            Self::Type => "typ",
            Self::NoKey => "key",
            Self::IssuedLater => "iat",
            Self::LivesTooLong => "lifetime",
            Self::Role => "role",
            Self::Subject(_) => "sub",
            Self::Token(error) => match error.kind() {
                ErrorKind::InvalidSignature => "signature",
                ErrorKind::ExpiredSignature => "exp",
                ErrorKind::ImmatureSignature => "nbf",
                ErrorKind::InvalidIssuer => "iss",
                ErrorKind::InvalidAudience => "aud",
                ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => "claims",
                _ => "form",
            },
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        Self { check: refused.check(), detail: refused.to_string() }
    }
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
    /// As `exp`; when it was issued.
    iat: Option<f64>,
    /// RFC 7519 section 4.1.1 knows one issuer only; being typed so refuses a list of them.
    #[serde(rename = "iss")]
    _issuer: String,
}

/// Turns tokens into actors.
pub(crate) struct TokenVerifier {
    keys: RwLock<Arc<TokenKeys>>,
    max_age: Option<Span>,
    /// By the token's SHA-256, so that memory holds no tokens.
    verified: Cache<[u8; 32], Verified>,
}

#[derive(Clone)]
struct Verified {
    actor: Arc<Actor>,
    expires: f64,
}

impl TokenVerifier {
    /// `max_age` is the longest time that a token may be valid for.
    pub(super) fn new(keys: TokenKeys, max_age: Option<Span>) -> Self {
        let verified =
            Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(Duration::from_secs(REMEMBERED_SECONDS)).build();
        tell_skipped(&keys);
        Self { keys: RwLock::new(Arc::new(keys)), max_age, verified }
    }

    /// From now on these keys count, and no others.
    pub(super) fn change_keys(&self, keys: TokenKeys) {
        tell_skipped(&keys);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        self.verified.invalidate_all();
    }

    /// The actor that the token with this SHA-256 names, if it was verified a moment ago.
    pub(super) fn remembered(&self, digest: &[u8; 32]) -> Option<Arc<Actor>> {
        self.verified.get(digest).filter(|known| known.expires > now()).map(|known| known.actor)
    }

    /// The actor that the token names.
    pub(super) fn verify(&self, token: &str, digest: [u8; 32]) -> Result<Arc<Actor>, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::TooLong);
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
        if header.typ.as_ref().is_some_and(|typ| !TYPES.iter().any(|known| known.eq_ignore_ascii_case(typ))) {
            return Err(Refused::Type);
        }
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let key = keys.find(header.alg, header.kid.as_deref()).ok_or(Refused::NoKey)?;
        let claims = match (read(token, key), keys.previous(header.alg)) {
            (Err(error), Some(previous)) if *error.kind() == ErrorKind::InvalidSignature => read(token, previous)?,
            (claims, _) => claims?,
        };
        self.check_times(&claims)?;
        let role = Role::parse(&claims.role).ok_or(Refused::Role)?;
        let actor = Actor::new(role, &claims.sub, Scopes::of_claim(&claims.scope))?;
        Ok(Verified { actor: Arc::new(actor), expires: claims.exp })
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers of seconds are far below 2^52")]
    fn check_times(&self, claims: &Claims) -> Result<(), Refused> {
        if claims.iat.is_some_and(|iat| iat > now() + LEEWAY_SECONDS as f64) {
            return Err(Refused::IssuedLater);
        }
        let Some(max) = self.max_age else { return Ok(()) };
        let fits = claims.iat.is_some_and(|iat| claims.exp - iat <= max.seconds as f64);
        if fits { Ok(()) } else { Err(Refused::LivesTooLong) }
    }
}

fn tell_skipped(keys: &TokenKeys) {
    for skipped in keys.skipped() {
        tracing::warn!(skipped, "a key of the JWKS is passed over; the others are used");
    }
}

fn read(token: &str, key: &NamedKey) -> Result<Claims, jsonwebtoken::errors::Error> {
    Ok(decode::<Claims>(token, &key.key, &key.validation)?.claims)
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
fn now() -> f64 {
    get_current_timestamp() as f64
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
mod tests;
