//! Verified tokens, remembered for a while.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use satchel_shared::domain::Actor;

/// A verified token's signature is not checked again for so long, in seconds: checking ES256 takes
/// longer than all else that a request does. Its `exp` is checked at every use.
const REMEMBERED_SECONDS: u64 = 60;

/// The most verified tokens that are remembered at once. When there are so many, the older half is forgotten.
const MAX_REMEMBERED: usize = 10_000;

/// A token's SHA-256, so that memory holds no tokens.
pub(super) type TokenDigest = [u8; 32];

/// What a token says, once it is verified.
#[derive(Clone)]
pub(super) struct Verified {
    pub(super) actor: Arc<Actor>,
    /// In seconds since 1970.
    pub(super) expires: f64,
}

/// The tokens. Every request looks here, from every HTTP thread: a look writes nothing.
#[derive(Default)]
pub(super) struct Remembered(RwLock<Generations>);

/// Each at most half of [`MAX_REMEMBERED`].
#[derive(Default)]
struct Generations {
    younger: HashMap<TokenDigest, Entry>,
    older: HashMap<TokenDigest, Entry>,
}

struct Entry {
    verified: Verified,
    since: Instant,
}

impl Remembered {
    /// What was remembered at most [`REMEMBERED_SECONDS`] ago.
    pub(super) fn get(&self, digest: &TokenDigest) -> Option<Verified> {
        let generations = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let entry = generations.younger.get(digest).or_else(|| generations.older.get(digest))?;
        entry.is_fresh().then(|| entry.verified.clone())
    }

    /// Remembers a token that was verified just now.
    pub(super) fn insert(&self, digest: TokenDigest, verified: Verified) {
        let mut generations = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Generations { younger, older } = &mut *generations;
        if younger.len() >= MAX_REMEMBERED / 2 {
            *older = std::mem::take(younger);
        }
        younger.insert(digest, Entry { verified, since: Instant::now() });
    }
}

impl Entry {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < Duration::from_secs(REMEMBERED_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use satchel_shared::domain::{Role, Scopes};

    use super::*;

    fn verified(subject: &str) -> Verified {
        let actor = Actor::new(Role::Player, subject, Scopes::default()).unwrap();
        Verified { actor: Arc::new(actor), expires: 0.0 }
    }

    fn digest(number: usize) -> TokenDigest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_be_bytes());
        digest
    }

    #[test]
    fn a_token_stands_for_its_own_actor_only() {
        let remembered = Remembered::default();
        remembered.insert(digest(1), verified("u1"));
        remembered.insert(digest(2), verified("u2"));
        let subject = |number| remembered.get(&digest(number)).map(|found| found.actor.subject.as_str().to_owned());
        assert_eq!([subject(1), subject(2), subject(3)], [Some("u1".to_owned()), Some("u2".to_owned()), None]);
    }

    #[test]
    fn a_token_is_believed_for_a_minute() {
        let since = |age_seconds| Instant::now().checked_sub(Duration::from_secs(age_seconds)).unwrap();
        let is_fresh = |age| Entry { verified: verified("u1"), since: since(age) }.is_fresh();
        assert!(is_fresh(0) && is_fresh(REMEMBERED_SECONDS - 5));
        assert!(!is_fresh(REMEMBERED_SECONDS));
        let remembered = Remembered::default();
        let stale = Entry { verified: verified("u1"), since: since(REMEMBERED_SECONDS) };
        remembered.0.write().unwrap().younger.insert(digest(1), stale);
        assert!(remembered.get(&digest(1)).is_none());
    }

    #[test]
    fn the_older_half_goes_when_there_are_too_many() {
        let remembered = Remembered::default();
        for number in 0..=MAX_REMEMBERED {
            remembered.insert(digest(number), verified("u1"));
        }
        assert!(remembered.get(&digest(0)).is_none());
        assert!(remembered.get(&digest(MAX_REMEMBERED / 2)).is_some());
        assert!(remembered.get(&digest(MAX_REMEMBERED)).is_some());
    }
}
