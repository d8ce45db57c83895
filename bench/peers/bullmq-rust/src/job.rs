//! A job as it is submitted, queued and applied.

use serde::{Deserialize, Serialize};

const MAX_ID_BYTES: usize = 64;
const MAX_ITEMS: usize = 50;
const MAX_QUANTITY: i64 = 1_000_000_000;
const MAX_REASON_CHARS: usize = 200;

/// One item of a reward.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Item {
    pub(crate) item_id: String,
    #[serde(default = "one")]
    pub(crate) quantity: i64,
}

/// What is to be done; its id is BullMQ's.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub(crate) enum Job {
    RewardInventoryItem {
        user_id: String,
        items: Vec<Item>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    UseItem {
        user_id: String,
        item_id: String,
        #[serde(default = "one")]
        quantity: i64,
    },
}

impl Job {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::RewardInventoryItem { .. } => "reward_inventory_item",
            Self::UseItem { .. } => "use_item",
        }
    }

    pub(crate) fn user_id(&self) -> &str {
        match self {
            Self::RewardInventoryItem { user_id, .. } | Self::UseItem { user_id, .. } => user_id,
        }
    }

    /// Whether all of it is within its bounds: those of Satchel.
    pub(crate) fn is_valid(&self) -> bool {
        is_user_id(self.user_id())
            && match self {
                Self::RewardInventoryItem { items, reason, .. } => {
                    (1..=MAX_ITEMS).contains(&items.len())
                        && items.iter().all(|item| is_item_id(&item.item_id) && is_quantity(item.quantity))
                        && reason.as_ref().is_none_or(|reason| reason.chars().count() <= MAX_REASON_CHARS)
                }
                Self::UseItem { item_id, quantity, .. } => is_item_id(item_id) && is_quantity(*quantity),
            }
    }
}

const fn one() -> i64 {
    1
}

pub(crate) fn is_user_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(is_allowed)
}

fn is_item_id(id: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(is_allowed)
}

fn is_quantity(quantity: i64) -> bool {
    (1..=MAX_QUANTITY).contains(&quantity)
}
