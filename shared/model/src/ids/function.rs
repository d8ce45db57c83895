//! What identifies a function, and one run of it.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A function's id: `domain-action-purpose`, each part of `[a-z0-9]`; at least three parts, at most 55 characters, so that `function:` and the id are a subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FunctionId(Arc<str>);

/// A text that is no function's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be of the form domain-action-purpose: at least three parts of a-z 0-9, at most {} characters",
    FunctionId::MAX_CHARS
)]
pub struct InvalidFunctionId;

impl FunctionId {
    /// The longest id, in characters.
    pub const MAX_CHARS: usize = 55;

    /// Parses the text.
    ///
    /// # Errors
    /// [`InvalidFunctionId`].
    pub fn parse(text: &str) -> Result<Self, InvalidFunctionId> {
        let is_part = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let fits = text.len() <= Self::MAX_CHARS && text.split('-').count() >= 3 && text.split('-').all(is_part);
        if fits { Ok(Self(text.into())) } else { Err(InvalidFunctionId) }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One run: a UUID of version 8 over what it is a run of, so that the same run cannot be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(Uuid);

impl RunId {
    /// The run of a function for a target and the event that stands there, or of a replay of it.
    #[must_use]
    pub fn of(
        function_id: &FunctionId,
        target: &str,
        shard: crate::ids::Shard,
        seq: i64,
        replay: Option<Uuid>,
    ) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"satchel/run-id/1\0");
        for text in [function_id.as_str(), target] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(shard.get().to_be_bytes());
        hash.update(seq.to_be_bytes());
        hash.update(replay.unwrap_or_default());
        let digest: [u8; 32] = hash.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
        Self(Uuid::new_v8(bytes))
    }

    /// Parses the hyphenated form.
    ///
    /// # Errors
    /// If the text is no UUID.
    pub fn parse(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }

    /// The UUID.
    #[must_use]
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for RunId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Shard;
    use super::*;

    #[test]
    fn a_function_id_has_at_least_three_parts() {
        for fine in ["item-used-notifier", "item-used-discord-notifier2"] {
            assert!(FunctionId::parse(fine).is_ok(), "{fine}");
        }
        for odd in ["", "item-used", "item--used-x", "Item-used-x", "item-used-", &format!("a-b-{}", "c".repeat(52))] {
            assert!(FunctionId::parse(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_run_is_one_of_function_target_event_and_replay() {
        let id = |text: &str| FunctionId::parse(text).unwrap();
        let run = RunId::of(&id("a-b-c"), "t", Shard::new(1), 2, None);
        assert_eq!(run, RunId::of(&id("a-b-c"), "t", Shard::new(1), 2, None));
        let others = [
            RunId::of(&id("a-b-d"), "t", Shard::new(1), 2, None),
            RunId::of(&id("a-b-c"), "", Shard::new(1), 2, None),
            RunId::of(&id("a-b-c"), "t", Shard::new(2), 2, None),
            RunId::of(&id("a-b-c"), "t", Shard::new(1), 3, None),
            RunId::of(&id("a-b-c"), "t", Shard::new(1), 2, Some(Uuid::max())),
        ];
        assert!(others.iter().all(|other| *other != run));
    }
}
