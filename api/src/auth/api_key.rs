//! API keys `sk_<prefix>_<secret>`: looked up by prefix, compared by the SHA-256 of the whole key.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use satchel_shared::domain::Actor;
use satchel_shared::store::{self, StoreError, api_keys};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::API_KEY_MARK;
use crate::deadline;
use crate::problem::ApiError;

/// How long a look-up is believed, found or not, in seconds: a revoked key ends within this time.
const REMEMBERED_SECONDS: u64 = 1;

/// The most look-ups that are remembered at once.
const MAX_REMEMBERED: u64 = 10_000;

/// A longer key is refused unread, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// Turns API keys into actors.
pub(super) struct ApiKeys {
    pool: store::Pool,
    by_prefix: Cache<Box<str>, Option<Key>>,
}

/// What is remembered of a key that is valid.
#[derive(Clone)]
struct Key {
    secret_hash: [u8; 32],
    actor: Arc<Actor>,
}

impl ApiKeys {
    pub(super) fn new(pool: store::Pool) -> Self {
        let by_prefix =
            Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(Duration::from_secs(REMEMBERED_SECONDS)).build();
        Self { pool, by_prefix }
    }

    /// The actor that the key speaks for.
    ///
    /// # Errors
    /// 401 for a key that is unknown, wrong or revoked; 503 if that cannot be found out.
    pub(super) async fn verify(&self, key: &str) -> Result<Arc<Actor>, ApiError> {
        let Some(prefix) = prefix(key) else {
            tracing::debug!("refused an API key: not of a key's form");
            return Err(ApiError::Unauthenticated);
        };
        let known = self.by_prefix.try_get_with(prefix.into(), deadline::answer(self.look_up(prefix))).await;
        let known = known.map_err(|error| ApiError::clone(&error))?;
        let given: [u8; 32] = Sha256::digest(key).into();
        match known {
            Some(key) if bool::from(key.secret_hash.ct_eq(&given)) => Ok(key.actor),
            known => {
                let reason = if known.is_some() { "wrong secret" } else { "unknown or revoked" };
                tracing::debug!(key.prefix = prefix, reason, "refused an API key");
                Err(ApiError::Unauthenticated)
            }
        }
    }

    async fn look_up(&self, prefix: &str) -> Result<Option<Key>, StoreError> {
        let found = api_keys::find(&self.pool, prefix).await?;
        let valid = found.filter(|key| key.revoked_at.is_none());
        Ok(valid.map(|key| Key { secret_hash: key.secret_hash, actor: Arc::new(key.actor) }))
    }
}

/// The middle part of `sk_<prefix>_<secret>`.
fn prefix(key: &str) -> Option<&str> {
    let (prefix, secret) = key.strip_prefix(API_KEY_MARK)?.split_once('_')?;
    let fits = key.len() <= MAX_KEY_BYTES
        && !prefix.is_empty()
        && !secret.is_empty()
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then_some(prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_of_the_right_form_is_looked_up() {
        assert_eq!(prefix("sk_abc1_s3cret"), Some("abc1"));
        assert_eq!(prefix("sk_abc1_with_more"), Some("abc1"));
        let long = format!("sk_a_{}", "x".repeat(MAX_KEY_BYTES));
        for odd in ["sk_", "sk_abc", "sk__x", "sk_abc_", "sk_a%b_x", "pk_a_b", &long] {
            assert_eq!(prefix(odd), None, "{odd}");
        }
    }
}
