//! Why a job was refused by the rules of the game.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::ids::ItemId;
use crate::json::raw;

/// Why a job cannot be applied. A result like any other, never a failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// For programs.
    pub code: RejectionCode,
    /// For people.
    pub message: String,
    /// The item in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<ItemId>,
    /// Pieces of it that the user has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<i64>,
    /// The condition that failed, for `condition_failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// The codes of HTTP.md "Outcomes".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RejectionCode {
    /// The catalogue has no such item, or has retired it.
    UnknownItem,
    /// The user has too few pieces.
    InsufficientQuantity,
    /// The item has no use.
    NotUsable,
    /// A condition of the use is not met.
    ConditionFailed,
    /// The stack would grow beyond its bound.
    StackLimit,
    /// All that a use would have granted, the user has or had already.
    AlreadyGranted,
    /// The submitter may not do this.
    Forbidden,
    /// The job's id belongs to another job.
    IdempotencyConflict,
    /// The job is too old to be told from a repeated one.
    Expired,
    /// It failed again and again, and an operator removed it.
    Removed,
    /// Who submitted it, or an operator, withdrew it before its turn.
    Withdrawn,
    /// The catalogue declares no such event.
    UnknownEvent,
    /// The event's data is not as the catalogue says.
    InvalidEvent,
}

/// A condition of a use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Condition {
    /// So many pieces of another item must be held.
    Requires(Pieces),
}

/// Pieces of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pieces {
    /// The item.
    pub item_id: ItemId,
    /// How many.
    pub quantity: i64,
}

impl Rejection {
    /// A rejection without item.
    #[must_use]
    pub fn new(code: RejectionCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), item_id: None, balance: None, condition: None }
    }

    /// A rejection for an item and what the user has of it.
    #[must_use]
    pub fn of_item(code: RejectionCode, item_id: &ItemId, balance: i64, message: impl Into<String>) -> Self {
        Self { item_id: Some(item_id.clone()), balance: Some(balance), ..Self::new(code, message) }
    }

    /// The catalogue does not know `item_id`.
    #[must_use]
    pub fn unknown_item(item_id: &ItemId) -> Self {
        Self {
            item_id: Some(item_id.clone()),
            ..Self::new(RejectionCode::UnknownItem, format!("the catalogue has no item {item_id}"))
        }
    }

    /// The user has `has` pieces of an item and needs `needed`.
    #[must_use]
    pub fn insufficient(item_id: &ItemId, has: i64, needed: i64) -> Self {
        let message = format!("{needed} of {item_id} needed, {has} held");
        Self::of_item(RejectionCode::InsufficientQuantity, item_id, has, message)
    }

    /// An event's data is not as it must be.
    #[must_use]
    pub fn invalid_event(message: impl Into<String>) -> Self {
        Self::new(RejectionCode::InvalidEvent, message)
    }

    /// The rejection as a job's result.
    #[must_use]
    pub fn result(&self) -> Box<RawValue> {
        raw(self)
    }
}
