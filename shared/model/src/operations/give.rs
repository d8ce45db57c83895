//! An operation on two users, for tests alone: the first gives the other pieces of an item.

use std::slice;

use satchel_forms::{Fields, Node};
use serde::Serialize;

use super::{Context, Operation};
use crate::access::{Access, Scope};
use crate::catalogue::ItemQuantity;
use crate::decide::Draft;
use crate::facts::Reads;
use crate::ids::{ItemId, Quantity, UserId};
use crate::rejection::Rejection;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Give {
    /// Who gets it.
    pub to: UserId,
    /// What.
    #[serde(flatten)]
    pub item: ItemQuantity,
}

impl Operation for Give {
    const NAME: &'static str = "give";
    const ACCESS: Access = Access { scope: Scope::RewardsWrite, players: false };
    type Outcome = i64;

    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let to = fields.required("to", Node::read_string(UserId::parse));
        let item_id = fields.required("itemId", Node::read_string(ItemId::parse));
        let quantity = fields.required("quantity", Node::read_integer(Quantity::parse));
        Some(Self { to: to?, item: ItemQuantity { item_id: item_id?, quantity: quantity? } })
    }

    fn other_parties(&self) -> &[UserId] {
        slice::from_ref(&self.to)
    }

    fn reads<'a>(&'a self, context: &Context<'a, '_>, reads: &mut Reads<'a>) {
        reads.holding(context.user_id, &self.item.item_id);
        reads.holding(&self.to, &self.item.item_id);
    }

    fn decide(&self, draft: &mut Draft<'_>) -> Result<i64, Rejection> {
        let quantity = self.item.quantity.get();
        let left = draft.user.take(&self.item.item_id, quantity, None)?;
        for other in &mut draft.others {
            other.grant(&self.item, None)?;
        }
        Ok(left)
    }
}
