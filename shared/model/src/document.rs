//! Catalogues as documents: the game's own events are all but those that Satchel tells of by itself.

use satchel_forms::{Faults, Node};

use crate::catalogue::Catalogue;
use crate::events;

impl Catalogue {
    /// Reads and checks a whole document, in the form of docs/CATALOGUE.md. One that is to be published is asked for more:
    /// [`Catalogue::parse_new`].
    ///
    /// # Errors
    /// Every fault of the document, with its place, as far as [`Faults`] keeps them.
    pub fn parse(node: Node) -> Result<Self, Faults> {
        Self::read(node, events::NAMES)
    }

    /// Reads and checks a document that is to be published: as [`Catalogue::parse`], and besides
    /// - each rule must be for an event that is declared or that a use emits, and what it gives for once must be required by
    ///   the event's schema, if there is one;
    /// - each event that a use emits must be one that a game server could send.
    ///
    /// Documents from before that was asked for are in force all the same.
    ///
    /// # Errors
    /// Every fault; those of emitted events if there are no others.
    pub fn parse_new(node: Node) -> Result<Self, Faults> {
        Self::read_new(node, events::NAMES)
    }
}
