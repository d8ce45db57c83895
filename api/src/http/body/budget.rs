//! Bounds what all bodies that are being read take in memory together: who sends many and finishes none could else fill it.
//! Players together have half of it, so that they can never keep a service or an operator out.

use std::sync::Arc;

use actix_web::web::Bytes;
use satchel_model::access::Role;
use satchel_settings::Env;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::problem::ApiError;

/// What bodies may take in all, in bytes.
const DEFAULT_BYTES: u32 = 64 * 1024 * 1024;
/// The least that can be asked for, in bytes: some bodies of the largest size at once.
const MIN_BYTES: u32 = 4 * 1024 * 1024;

/// See the module.
pub(crate) struct BodyBudget {
    players: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

impl BodyBudget {
    /// Reads `SATCHEL_BODY_BYTES`: what bodies that are being read may take together. Default 64 MiB.
    pub(crate) fn from_env(env: &mut Env) -> Self {
        Self::new(env.number_or("SATCHEL_BODY_BYTES", MIN_BYTES..=u32::MAX, DEFAULT_BYTES))
    }

    pub(crate) fn new(bytes: u32) -> Self {
        let half = || Arc::new(Semaphore::new(bytes as usize / 2));
        Self { players: half(), others: half() }
    }

    /// What a role's bodies are counted in.
    pub(crate) fn share(&self, role: Role) -> Share {
        Share(Arc::clone(match role {
            Role::Player => &self.players,
            Role::Service | Role::Operator => &self.others,
        }))
    }
}

/// A part of the budget.
pub(crate) struct Share(Arc<Semaphore>);

impl Share {
    /// Memory for a body, none so far.
    pub(crate) fn reserve(&self) -> Reserved<'_> {
        Reserved { share: self, taken: None }
    }
}

/// What one body takes. It is given back when it is dropped.
pub(crate) struct Reserved<'s> {
    share: &'s Share,
    taken: Option<OwnedSemaphorePermit>,
}

impl Reserved<'_> {
    /// Takes so many bytes more.
    ///
    /// # Errors
    /// 503 if they are not left.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let bytes = u32::try_from(bytes).map_err(|_| ApiError::Busy)?;
        let more = Arc::clone(&self.share.0).try_acquire_many_owned(bytes);
        let more = more.map_err(|_| ApiError::Busy)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }

    /// The body, which holds what was taken for as long as it is there.
    pub(crate) fn hold(self, body: Bytes) -> Bytes {
        match self.taken {
            Some(taken) => Bytes::from_owner(Held { body, _taken: taken }),
            None => body,
        }
    }
}

struct Held {
    body: Bytes,
    _taken: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_given_back_with_the_body_that_took_it() {
        let budget = BodyBudget::new(2_000);
        let players = budget.share(Role::Player);
        let mut first = players.reserve();
        first.grow(600).unwrap();
        first.grow(400).unwrap();
        let again = budget.share(Role::Player);
        let mut second = again.reserve();
        assert!(matches!(second.grow(1), Err(ApiError::Busy)));
        budget.share(Role::Service).reserve().grow(1_000).unwrap();
        let body = first.hold(Bytes::from_static(b"body"));
        assert!(second.grow(1).is_err(), "the body is still there");
        let part = body.slice(1..2);
        drop(body);
        assert!(second.grow(1).is_err(), "a part of the body is still there");
        drop(part);
        second.grow(1_000).unwrap();
    }
}
