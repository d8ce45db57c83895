//! Turning stored texts back into the domain's types.

use std::fmt::Display;

use satchel_model::ids::{ItemId, Shard, Uid, UserId, UserKey};
use satchel_model::ledger::ChainHash;
use satchel_model::operations::PayloadHash;
use satchel_wire::envelope::SealedEnvelope;

/// A row that Satchel cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("{column}: {detail}")]
pub struct Unreadable {
    column: &'static str,
    detail: String,
}

impl Unreadable {
    pub(crate) fn new(column: &'static str, detail: impl Display) -> Self {
        Self { column, detail: detail.to_string() }
    }
}

pub(crate) fn user_id(text: &str) -> Result<UserId, Unreadable> {
    UserId::parse(text).map_err(|error| Unreadable::new("user_id", error))
}

pub(crate) fn item_id(text: &str) -> Result<ItemId, Unreadable> {
    ItemId::parse(text).map_err(|error| Unreadable::new("item_id", error))
}

pub(crate) fn chain_hash(bytes: &[u8]) -> Result<ChainHash, Unreadable> {
    bytes.try_into().map(ChainHash).map_err(|error| Unreadable::new("hash", error))
}

pub(crate) fn payload_hash(bytes: &[u8]) -> Result<PayloadHash, Unreadable> {
    bytes.try_into().map(PayloadHash).map_err(|error| Unreadable::new("payload_hash", error))
}

/// A shard as Postgres keeps it.
pub(crate) fn shard_number(shard: Shard) -> i32 {
    shard.get().into()
}

/// Where a user's rows are.
pub(crate) fn user_key(shard: i32, uid: i64) -> Result<UserKey, Unreadable> {
    Ok(UserKey { shard: self::shard(shard)?, uid: Uid::new(uid) })
}

pub(crate) fn shard(number: i32) -> Result<Shard, Unreadable> {
    u16::try_from(number).map(Shard::new).map_err(|error| Unreadable::new("shard", error))
}

/// An envelope to be verified. Version 0 stands for all that nobody signs.
pub(crate) fn sealed(version: i32, body: String, mac: Vec<u8>) -> SealedEnvelope {
    SealedEnvelope { version: u32::try_from(version).unwrap_or_default(), body: body.into_bytes(), mac }
}

/// The same of several.
pub(crate) fn shard_numbers(shards: &[Shard]) -> Vec<i32> {
    shards.iter().copied().map(shard_number).collect()
}
