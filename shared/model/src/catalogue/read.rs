//! Reads the catalogue document. Faults are collected, never returned early, so a value that was
//! read with a fault may stand in as its default: the catalogue is refused in the end.

use std::collections::{BTreeMap, HashMap};

use satchel_forms::{At, Faults, Form, Node, Pointer, map_schema, read_members};
use schemars::Schema;
use schemars::generate::SchemaSettings;

use super::cycles;
use super::reading::Reading;
use super::references::Thing;
use super::rule::read_rule;
use super::{Catalogue, DataSchema, EventDefinition, Item, Rule};
use crate::ids::{EventName, ItemId};

/// A catalogue: what items exist, what using them does, which events the game has, and what they reward.
// What `GET /catalogue` says beside the document is dropped: whoever edits its answer and publishes that need not take it
// out. It is told anew with each version.
#[derive(Form)]
#[form(context = Reading, later("lootTables"), ignored("version", "publishedAt", "publishedBy"))]
pub(super) struct CatalogueDocument {
    /// The items, by their ids.
    #[form(with = read_items, schema = map_schema::<ItemId, Item>(generator, Catalogue::MAX_ITEMS))]
    items: HashMap<ItemId, Item>,
    /// The events of the game's own that are described, by their names.
    #[form(
        default,
        with = read_events,
        schema = map_schema::<EventName, EventDefinition>(generator, Catalogue::MAX_EVENTS)
    )]
    events: BTreeMap<EventName, EventDefinition>,
    /// What events give to their users.
    #[form(default, entries = 0..=Catalogue::MAX_RULES, each = read_rule)]
    rules: Vec<Rule>,
}

/// The JSON Schema (2020-12) of a catalogue's document. What parts of a document say of each other, it cannot say:
/// publishing checks that.
#[must_use]
pub fn catalogue_schema() -> Schema {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<CatalogueDocument>();
    schema.insert("title".to_owned(), "Satchel's catalogue".into());
    schema
}

/// Reads a whole document. Events with reserved names are not the game's own.
pub(super) fn document(node: Node, is_new: bool, reserved: &'static [&'static str]) -> Result<Catalogue, Faults> {
    let (root, mut faults, mut reading) = (Pointer::root(), Faults::default(), Reading::new(is_new, reserved));
    let document = CatalogueDocument::read(node, &At::new(&root), &mut reading, &mut faults);
    reading.references.check(&mut faults);
    cycles::check(reading.references.noted(), &mut faults);
    match document {
        Some(CatalogueDocument { items, events, rules }) if faults.is_empty() => {
            Ok(Catalogue::new(items, events, rules))
        }
        _ => Err(faults),
    }
}

/// Whether a document is one by itself, whatever its parts say of each other.
#[cfg(test)]
pub(super) fn structure(node: Node) -> Result<(), Faults> {
    satchel_forms::read_in::<CatalogueDocument, _>(
        node,
        Pointer::root(),
        &mut Reading::new(false, crate::events::NAMES),
    )
    .map(drop)
}

fn read_items(node: Node, at: &At<'_>, reading: &mut Reading, faults: &mut Faults) -> Option<HashMap<ItemId, Item>> {
    let members = read_members(node, at, faults, Catalogue::MAX_ITEMS, "items")?;
    let mut items = HashMap::with_capacity(members.len());
    for (name, node) in members {
        let at = at.field(&name);
        let id = ItemId::parse(&name).map_err(|error| faults.note(&at, format!("is not an item id: it {error}"))).ok();
        if id.as_ref().is_some_and(|id| reading.references.is_declared(id)) {
            faults.note(&at, "is given twice");
            continue;
        }
        if let Some(id) = &id {
            reading.references.declare(id.clone());
        }
        reading.from = id.clone().map(Thing::Item);
        let item = Item::read(node, &at, reading, faults);
        items.extend(id.zip(item));
    }
    Some(items)
}

fn read_events(
    node: Node,
    at: &At<'_>,
    reading: &mut Reading,
    faults: &mut Faults,
) -> Option<BTreeMap<EventName, EventDefinition>> {
    let members = read_members(node, at, faults, Catalogue::MAX_EVENTS, "events")?;
    let mut events = BTreeMap::new();
    let mut pattern_bytes = 0;
    for (name, node) in members {
        let at = at.field(&name);
        let name = match EventName::parse(&name) {
            Ok(name) if reading.check_own(&name, &at, faults) => name,
            Ok(_) => continue,
            Err(error) => {
                faults.note(&at, format!("is not an event's name: it {error}"));
                continue;
            }
        };
        if events.contains_key(&name) {
            faults.note(&at, "is given twice");
            continue;
        }
        let event = EventDefinition::read(node, &at, reading, faults).unwrap_or_default();
        pattern_bytes += event.schema.as_ref().map_or(0, DataSchema::pattern_bytes);
        if pattern_bytes > Catalogue::MAX_PATTERNS_BYTES {
            let most = Catalogue::MAX_PATTERNS_BYTES;
            let detail = format!("is one too many: compiled, the patterns of all schemas would take over {most} bytes");
            faults.note(&at, detail);
            return None;
        }
        events.insert(name, event);
    }
    reading.declare_events(&events);
    Some(events)
}
