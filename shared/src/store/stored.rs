//! Turning stored texts back into the domain's types.

use std::fmt::Display;

use crate::domain::{ChainHash, ItemId, UserId};
use crate::jobs::PayloadHash;

/// A row that Satchel cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("{column}: {detail}")]
pub struct Unreadable {
    column: &'static str,
    detail: String,
}

impl Unreadable {
    pub(super) fn new(column: &'static str, detail: impl Display) -> Self {
        Self { column, detail: detail.to_string() }
    }
}

pub(super) fn user_id(text: &str) -> Result<UserId, Unreadable> {
    UserId::parse(text).map_err(|error| Unreadable::new("user_id", error))
}

pub(super) fn item_id(text: &str) -> Result<ItemId, Unreadable> {
    ItemId::parse(text).map_err(|error| Unreadable::new("item_id", error))
}

pub(super) fn chain_hash(bytes: &[u8]) -> Result<ChainHash, Unreadable> {
    bytes.try_into().map(ChainHash).map_err(|error| Unreadable::new("hash", error))
}

pub(super) fn payload_hash(bytes: &[u8]) -> Result<PayloadHash, Unreadable> {
    bytes.try_into().map(PayloadHash).map_err(|error| Unreadable::new("payload_hash", error))
}
