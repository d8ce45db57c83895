//! `consume`: how many pieces of the item a use takes.

use satchel_forms::Form;
use serde::Serialize;

use super::{Usage, UseDraft, UseRule};
use crate::facts::Reads;
use crate::ids::Quantity;
use crate::rejection::Rejection;

/// See the module. Also an item that a use keeps must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Form)]
pub struct Consume {
    /// How many pieces of the item one use takes: 1 unless it says otherwise, 0 if it is kept.
    #[form(default = Consume::DEFAULT_PIECES, range = 0..=Quantity::MAX)]
    #[serde(rename = "consume", skip_serializing_if = "is_default")]
    pub pieces: i64,
}

impl Consume {
    /// Pieces taken by a use whose definition does not say.
    pub const DEFAULT_PIECES: i64 = 1;

    /// Pieces that so many uses take: at most 10^18 (two quantities), no overflow in 64 bits.
    #[must_use]
    pub fn of(self, times: i64) -> i64 {
        self.pieces * times
    }
}

impl Default for Consume {
    fn default() -> Self {
        Self { pieces: Self::DEFAULT_PIECES }
    }
}

impl UseRule for Consume {
    fn takes(&self) -> bool {
        self.pieces > 0
    }

    fn reads<'a>(&self, _: &Usage<'a>, _: &mut Reads<'a>) {}

    fn check(&self, usage: &Usage<'_>, draft: &mut impl UseDraft) -> Result<(), Rejection> {
        let (item_id, pieces) = (usage.item_id, self.of(usage.times));
        let has = draft.holding(item_id).quantity;
        if has < 1 {
            return Err(Rejection::insufficient(item_id, has, pieces.max(1)));
        }
        draft.take(item_id, pieces, None).map(|_| ())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_default(pieces: &i64) -> bool {
    *pieces == Consume::DEFAULT_PIECES
}
