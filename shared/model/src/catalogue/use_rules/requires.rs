//! `requires`: what else the user must have, and what the use takes of it.

use std::ops::Not;

use satchel_forms::{At, Faults, Form, Node};
use serde::Serialize;

use super::{Usage, UseDraft, UseRule};
use crate::catalogue::reading::Reading;
use crate::catalogue::references::{Kind, Thing};
use crate::facts::Reads;
use crate::ids::{ItemId, Quantity};
use crate::rejection::{Condition, Pieces, Rejection, RejectionCode};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Form)]
#[form(context = Reading)]
pub struct Requires {
    /// What the user must hold besides.
    #[form(default, entries = 0..=Requires::MAX, each = read_requirement)]
    #[serde(rename = "requires", skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<Requirement>,
}

/// Another item that a use needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Form)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// Which item; never the used one itself.
    pub item_id: ItemId,
    /// How many pieces the user must have; those that the use takes, for each use.
    #[form(default = Quantity::ONE)]
    pub quantity: Quantity,
    /// Whether the use takes them.
    #[form(default)]
    #[serde(skip_serializing_if = "Not::not")]
    pub consume: bool,
}

impl Requires {
    /// The most requirements of one item.
    pub const MAX: usize = 20;
}

impl UseRule for Requires {
    fn takes(&self) -> bool {
        self.all.iter().any(|requirement| requirement.consume)
    }

    fn references(&self) -> impl Iterator<Item = &ItemId> {
        self.all.iter().map(|requirement| &requirement.item_id)
    }

    fn reads<'a>(&self, usage: &Usage<'a>, reads: &mut Reads<'a>) {
        self.references().for_each(|item_id| reads.holding(usage.user_id, item_id));
    }

    fn check(&self, usage: &Usage<'_>, draft: &mut impl UseDraft) -> Result<(), Rejection> {
        for Requirement { item_id, quantity, consume } in &self.all {
            let needed = quantity.get() * if *consume { usage.times } else { 1 };
            let has = draft.holding(item_id).quantity;
            if has < needed {
                let message = format!("using {} requires {needed} of {item_id}, {has} held", usage.item_id);
                let pieces = Pieces { item_id: item_id.clone(), quantity: needed };
                let rejection = Rejection::of_item(RejectionCode::ConditionFailed, item_id, has, message);
                return Err(Rejection { condition: Some(Condition::Requires(pieces)), ..rejection });
            }
            if *consume {
                draft.take(item_id, needed, Some(&usage.cause()))?;
            }
        }
        Ok(())
    }
}

/// What a use requires.
fn read_requirement(
    node: Node,
    at: &At<'_>,
    earlier: &[Requirement],
    reading: &mut Reading,
    faults: &mut Faults,
) -> Option<Requirement> {
    let requirement = Requirement::read(node, at, reading, faults)?;
    let (item_id, at) = (&requirement.item_id, &at.field("itemId"));
    if matches!(&reading.from, Some(Thing::Item(used)) if used == item_id) {
        faults.note(at, "is the used item itself: how many of it a use takes is its `consume`");
    }
    let is_repeated = earlier.iter().any(|other| other.item_id == *item_id);
    reading.refer(Kind::Requires, item_id, at, is_repeated, faults);
    Some(requirement)
}
