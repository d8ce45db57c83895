//! API keys `sk_<prefix>_<secret>`: looked up by prefix, compared by the SHA-256 of the whole key.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use satchel_model::access::Actor;
use satchel_store::{StoreError, api_keys};
use subtle::ConstantTimeEq;

use super::API_KEY_MARK;
use super::refusals::Refusal;
use crate::http::deadline;
use crate::http::problem::ApiError;

/// How long a look-up is believed, found or not, in seconds: a revoked key ends within this time.
const REMEMBERED_SECONDS: u64 = 1;

/// The most look-ups that are remembered at once.
const MAX_REMEMBERED: u64 = 10_000;

/// A longer key is refused unread, in bytes.
const MAX_KEY_BYTES: usize = 256;

/// Turns API keys into actors.
pub(super) struct ApiKeys {
    pool: satchel_store::Pool,
    by_prefix: Cache<Box<str>, Option<Key>>,
}

/// What is remembered of a key that is valid.
#[derive(Clone)]
struct Key {
    secret_hash: [u8; 32],
    actor: Arc<Actor>,
}

impl ApiKeys {
    pub(super) fn new(pool: satchel_store::Pool) -> Self {
        let by_prefix =
            Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(Duration::from_secs(REMEMBERED_SECONDS)).build();
        Self { pool, by_prefix }
    }

    /// The actor that the key, with this SHA-256, speaks for.
    ///
    /// # Errors
    /// Why it is unknown, wrong or revoked; 503 if that cannot be found out.
    pub(super) async fn verify(&self, key: &str, digest: &[u8; 32]) -> Result<Result<Arc<Actor>, Refusal>, ApiError> {
        let refuse = |detail| Ok(Err(Refusal { check: "api_key", detail }));
        let Some(prefix) = prefix(key) else { return refuse("it is not of an API key's form".to_owned()) };
        let known = self.by_prefix.try_get_with(prefix.into(), deadline::answer(self.look_up(prefix))).await;
        match known.map_err(|error| ApiError::clone(&error))? {
            Some(key) if bool::from(key.secret_hash.ct_eq(digest)) => Ok(Ok(key.actor)),
            Some(_) => refuse(format!("the secret of the API key {prefix} is wrong")),
            None => refuse(format!("the API key {prefix} is unknown or revoked")),
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
