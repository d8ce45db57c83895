//! An operation on two users, for tests alone: the first gives the other pieces of an item.

use std::slice;

use satchel_forms::Form;
use serde::Serialize;

use super::{Context, Operation};
use crate::access::{Access, Scope};
use crate::catalogue::ItemQuantity;
use crate::decide::Draft;
use crate::facts::Reads;
use crate::ids::{ItemId, Quantity, UserId};
use crate::rejection::Rejection;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "camelCase")]
pub struct Give {
    /// Who gets it.
    pub to: UserId,
    /// What.
    pub item_id: ItemId,
    /// How many pieces.
    pub quantity: Quantity,
}

impl Operation for Give {
    const NAME: &'static str = "give";
    const ACCESS: Access = Access { scope: Scope::RewardsWrite, players: false };
    type Outcome = i64;

    fn other_parties(&self) -> &[UserId] {
        slice::from_ref(&self.to)
    }

    fn reads<'a>(&'a self, context: &Context<'a, '_>, reads: &mut Reads<'a>) {
        reads.holding(context.user_id, &self.item_id);
        reads.holding(&self.to, &self.item_id);
    }

    fn decide(&self, draft: &mut Draft<'_>) -> Result<i64, Rejection> {
        let item = ItemQuantity { item_id: self.item_id.clone(), quantity: self.quantity };
        let left = draft.user.take(&self.item_id, self.quantity.get(), None)?;
        for other in &mut draft.others {
            other.grant(&item, None)?;
        }
        Ok(left)
    }
}
