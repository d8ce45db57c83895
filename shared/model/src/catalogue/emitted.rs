//! Whether the events that uses emit are as their schemas and rules need them. A sender is told of what is wrong with its
//! event; of a use's event only its catalogue's author can be.

use satchel_forms::{Faults, Node, Pointer};

use super::{Catalogue, Effect, read};
use crate::ids::{EventName, ItemId, Quantity};

impl Catalogue {
    /// Reads and checks a document in force. Events with reserved names are not the game's own.
    ///
    /// # Errors
    /// Every fault of the document, with its place, as far as [`Faults`] keeps them.
    pub(crate) fn read(node: Node, reserved: &'static [&'static str]) -> Result<Self, Faults> {
        read::document(node, false, reserved)
    }

    /// Reads and checks a document that is to be published: as one in force, and besides
    /// - each rule must be for an event that is declared or that a use emits, and what it gives for once must be required by
    ///   the event's schema, if there is one;
    /// - each event that a use emits must be one that a game server could send.
    ///
    /// Documents from before that was asked for are in force all the same.
    ///
    /// # Errors
    /// Every fault; those of emitted events if there are no others.
    pub(crate) fn read_new(node: Node, reserved: &'static [&'static str]) -> Result<Self, Faults> {
        let catalogue = read::document(node, true, reserved)?;
        let mut emitted: Vec<_> = catalogue.emitted().collect();
        emitted.sort_unstable_by_key(|(item_id, place, _)| (*item_id, *place));
        let mut faults = Faults::default();
        for (item_id, place, name) in emitted {
            let data = Effect::emitted_data(item_id, Quantity::ONE);
            if let Err(wrong) = catalogue.check_event(name, &data, &Pointer::root()) {
                let at = Pointer::root().field("items").field(item_id.as_str()).field("use").field("effects");
                let detail =
                    format!("tells of {name} with itemId and quantity alone, and what is asked of it is: {wrong}");
                faults.add(at.index(place).field("emit"), detail);
            }
        }
        if faults.is_empty() { Ok(catalogue) } else { Err(faults) }
    }

    /// Each event that an item's use emits, with the effect's place among the use's.
    fn emitted(&self) -> impl Iterator<Item = (&ItemId, usize, &EventName)> {
        let uses = self.items.iter().filter_map(|(item_id, item)| Some((item_id, item.use_.as_ref()?)));
        let effects = uses.flat_map(|(item_id, use_)| {
            use_.effects.iter().enumerate().map(move |(place, effect)| (item_id, place, effect))
        });
        effects.filter_map(|(item_id, place, effect)| match effect {
            Effect::Emit(name) => Some((item_id, place, name)),
            Effect::Grant(_) => None,
        })
    }
}
