//! Who may do what: as in Satchel, by role and, for services, scope.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;

use crate::job::Job;
use crate::settings;

/// Tokens that are not verified again at each of their requests.
const CACHED_TOKENS: usize = 1_000;

#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    sub: String,
    role: String,
    exp: u64,
    #[serde(default)]
    scope: String,
}

/// Checks tokens of our issuer for our audience.
pub(crate) struct Tokens {
    key: DecodingKey,
    validation: Validation,
    verified: Mutex<HashMap<String, Arc<Claims>>>,
}

impl Tokens {
    pub(crate) fn from_environment() -> Result<Self> {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[settings::text("JWT_ISSUER", "satchel")]);
        validation.set_audience(&[settings::text("JWT_AUDIENCE", "satchel")]);
        validation.set_required_spec_claims(&["sub", "exp", "iss", "aud"]);
        let key = DecodingKey::from_secret(settings::required("JWT_SECRET")?.as_bytes())?;
        Ok(Self { key, validation, verified: Mutex::new(HashMap::new()) })
    }

    /// The claims of a good token.
    pub(crate) fn verify(&self, token: &str) -> Option<Arc<Claims>> {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claims) = verified.get(token) {
            return (claims.exp > now_s()).then(|| Arc::clone(claims));
        }
        let claims = Arc::new(decode::<Claims>(token, &self.key, &self.validation).ok()?.claims);
        if verified.len() >= CACHED_TOKENS {
            verified.clear();
        }
        verified.insert(token.to_owned(), Arc::clone(&claims));
        Some(claims)
    }
}

impl Claims {
    pub(crate) fn may_submit(&self, job: &Job) -> bool {
        let (scope, is_use) = match job {
            Job::RewardInventoryItem { .. } => ("rewards:write", false),
            Job::UseItem { .. } => ("items:use", true),
        };
        self.has(scope) || (self.role == "player" && is_use && job.user_id() == self.sub)
    }

    pub(crate) fn may_read(&self, user_id: &str) -> bool {
        self.role == "operator" || self.has("inventory:read") || (self.role == "player" && user_id == self.sub)
    }

    fn has(&self, scope: &str) -> bool {
        self.role == "service" && self.scope.split(' ').any(|had| had == scope)
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(u64::MAX, |since| since.as_secs())
}
