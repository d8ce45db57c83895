//! What the parts of a catalogue's document share while it is read.

use std::collections::{BTreeMap, HashMap, HashSet};

use satchel_forms::{At, Faults, Form, Node};

use super::data_pointer::DataPointer;
use super::event::{DataSchema, EventDefinition};
use super::references::{Kind, Reference, References, Thing};
use super::required::is_required;
use crate::ids::{EventName, ItemId};

/// What was read so far.
pub(super) struct Reading {
    /// Whether the document is to be published. Of one that is in force less is asked.
    is_new: bool,
    /// The names of events that are not the game's own.
    reserved: &'static [&'static str],
    /// Who mentions others where reading is now; `None` if its id has a fault.
    pub(super) from: Option<Thing>,
    pub(super) references: References,
    /// The events that the document describes, with their schemas; `None` if they have a fault as a whole.
    declared: Option<HashMap<EventName, Option<DataSchema>>>,
    /// Those that its items' uses emit.
    emitted: HashSet<EventName>,
}

impl Reading {
    pub(super) fn new(is_new: bool, reserved: &'static [&'static str]) -> Self {
        Self {
            is_new,
            reserved,
            from: None,
            references: References::default(),
            declared: None,
            emitted: HashSet::new(),
        }
    }

    /// Notes which events the document describes.
    pub(super) fn declare_events(&mut self, events: &BTreeMap<EventName, EventDefinition>) {
        if self.is_new {
            self.declared = Some(events.iter().map(|(name, event)| (name.clone(), event.schema.clone())).collect());
        }
    }

    fn note(&mut self, kind: Kind, to: Thing, at: &At<'_>) {
        self.references.note(Reference { from: self.from.clone(), to, kind, at: at.pointer() });
    }

    /// Notes that a use emits an event.
    pub(super) fn note_emitted(&mut self, name: &EventName, at: &At<'_>) {
        self.note(Kind::Gives, Thing::Event(name.clone()), at);
        self.emitted.insert(name.clone());
    }

    /// Notes that an item is referred to, which may be only once in a list.
    pub(super) fn refer(&mut self, kind: Kind, to: &ItemId, at: &At<'_>, is_repeated: bool, faults: &mut Faults) {
        if is_repeated {
            faults.note(at, format!("names {to} a second time"));
        } else {
            self.note(kind, Thing::Item(to.clone()), at);
        }
    }

    /// Notes an event of which nobody tells: a name that was mistyped waits for ever.
    pub(super) fn check_on(&self, on: &EventName, at: &At<'_>, faults: &mut Faults) {
        let is_declared = || self.declared.as_ref().is_some_and(|declared| declared.contains_key(on));
        if self.is_new && !self.emitted.contains(on) && !is_declared() {
            faults.note(at, format!("no event {on} is declared in `events`, and no use emits it"));
        }
    }

    /// Notes a place in an event's data where its schema lets there be nothing.
    pub(super) fn check_once_per(&self, once_per: &DataPointer, at: &At<'_>, faults: &mut Faults) {
        let (Some(declared), Some(Thing::Event(on))) = (&self.declared, &self.from) else { return };
        let schema = declared.get(on).and_then(Option::as_ref);
        if schema.is_some_and(|schema| !is_required(schema.document(), once_per.segments())) {
            let place = once_per.as_str();
            faults.note(at, format!("the schema of {on} does not require {place}: name it in the schema's `required`"));
        }
    }

    /// Satchel's own events are not the game's to define, to emit, or to reward: a rule for a reward could reward itself.
    pub(super) fn check_own(&self, name: &EventName, at: &At<'_>, faults: &mut Faults) -> bool {
        let is_own = !self.reserved.contains(&name.as_str());
        if !is_own {
            faults.note(at, format!("{name} is an event of Satchel itself: choose a name of the game's own"));
        }
        is_own
    }
}

/// The name of an event of the game's own.
pub(super) fn read_own(node: Node, at: &At<'_>, reading: &mut Reading, faults: &mut Faults) -> Option<EventName> {
    let name = EventName::read(node, at, reading, faults)?;
    reading.check_own(&name, at, faults).then_some(name)
}
