//! Reads the catalogue's events and rules.

use std::collections::{BTreeMap, HashSet};

use satchel_forms::{Faults, Fields, Node, Pointer};

use super::ItemQuantity;
use super::references::{Kind, Reference, References, Thing};
use super::required::is_required;
use super::{Catalogue, DataPointer, DataSchema, Effect, EventDefinition, Rule};
use crate::events;
use crate::ids::{EventName, RuleId};

/// The name of an event of the game's own.
pub(super) fn read_event_name(node: Node, at: Pointer, faults: &mut Faults) -> Option<EventName> {
    let name = Node::read_string(EventName::parse)(node, at.clone(), faults)?;
    check_own(&name, at, faults).then_some(name)
}

/// Satchel's own events are not the game's to define, to emit, or to reward: a rule for a reward could reward itself.
fn check_own(name: &EventName, at: Pointer, faults: &mut Faults) -> bool {
    let is_own = !events::is_known(name.as_str());
    if !is_own {
        faults.add(at, format!("{name} is an event of Satchel itself: choose a name of the game's own"));
    }
    is_own
}

pub(super) fn read_events(
    node: Node,
    at: &Pointer,
    faults: &mut Faults,
) -> Option<BTreeMap<EventName, EventDefinition>> {
    let Node::Object(members) = node else {
        faults.add(at.clone(), format!("must be an object, not {}", node.kind()));
        return None;
    };
    if members.len() > Catalogue::MAX_EVENTS {
        faults.add(at.clone(), format!("must have at most {} events, not {}", Catalogue::MAX_EVENTS, members.len()));
        return None;
    }
    let mut events = BTreeMap::new();
    let mut pattern_bytes = 0;
    for (name, node) in members {
        let at = at.field(&name);
        let name = match EventName::parse(&name) {
            Ok(name) if check_own(&name, at.clone(), faults) => name,
            Ok(_) => continue,
            Err(error) => {
                faults.add(at, format!("is not an event's name: it {error}"));
                continue;
            }
        };
        if events.contains_key(&name) {
            faults.add(at, "is given twice");
            continue;
        }
        let event = read_event(node, at.clone(), faults).unwrap_or_default();
        pattern_bytes += event.schema.as_ref().map_or(0, DataSchema::pattern_bytes);
        if pattern_bytes > Catalogue::MAX_PATTERNS_BYTES {
            let most = Catalogue::MAX_PATTERNS_BYTES;
            faults.add(
                at,
                format!("is one too many: compiled, the patterns of all schemas would take over {most} bytes"),
            );
            return None;
        }
        events.insert(name, event);
    }
    Some(events)
}

fn read_event(node: Node, at: Pointer, faults: &mut Faults) -> Option<EventDefinition> {
    let mut fields = Fields::open(node, at, faults)?;
    let description = fields.optional("description", Node::read_string(description));
    let schema = fields.optional("schema", read_schema);
    fields.finish();
    Some(EventDefinition { description, schema })
}

fn description(text: &str) -> Result<String, String> {
    let (chars, most) = (text.chars().count(), EventDefinition::MAX_DESCRIPTION_CHARS);
    if chars <= most { Ok(text.to_owned()) } else { Err(format!("must be at most {most} characters, not {chars}")) }
}

fn read_schema(node: Node, at: Pointer, faults: &mut Faults) -> Option<DataSchema> {
    if !matches!(node, Node::Object(_)) {
        faults.add(at, format!("must be an object, not {}", node.kind()));
        return None;
    }
    let document = node.into_value(&at, faults)?;
    DataSchema::compile(document).map_err(|detail| faults.add(at, detail)).ok()
}

/// What is asked of rules.
pub(super) enum Rigour<'e> {
    /// Of a document that is in force, nothing of this.
    InForce,
    /// Of one that is to be published, that somebody tells of their events.
    New {
        /// The events that it describes; `None` if they have a fault as a whole.
        declared: Option<&'e BTreeMap<EventName, EventDefinition>>,
        /// Those that its items' uses emit.
        emitted: HashSet<EventName>,
    },
}

impl<'e> Rigour<'e> {
    /// For a document with these events, whose items were read.
    pub(super) fn of_new(declared: Option<&'e BTreeMap<EventName, EventDefinition>>, references: &References) -> Self {
        Self::New { declared, emitted: references.emitted().cloned().collect() }
    }

    /// Notes an event of which nobody tells: a name that was mistyped waits for ever.
    fn check_on(&self, on: &EventName, at: Pointer, faults: &mut Faults) {
        let Self::New { declared, emitted } = self else { return };
        if !emitted.contains(on) && !declared.is_some_and(|declared| declared.contains_key(on)) {
            faults.add(at, format!("no event {on} is declared in `events`, and no use emits it"));
        }
    }

    /// Notes a place in an event's data where its schema lets there be nothing.
    fn check_once_per(&self, on: &EventName, once_per: &DataPointer, at: Pointer, faults: &mut Faults) {
        let Self::New { declared: Some(declared), .. } = self else { return };
        let schema = declared.get(on).and_then(|event| event.schema.as_ref());
        if schema.is_some_and(|schema| !is_required(schema.document(), once_per.segments())) {
            let place = once_per.as_str();
            faults.add(at, format!("the schema of {on} does not require {place}: name it in the schema's `required`"));
        }
    }
}

pub(super) fn read_rules(
    node: Node,
    at: Pointer,
    faults: &mut Faults,
    references: &mut References,
    rigour: &Rigour<'_>,
) -> Option<Vec<Rule>> {
    let mut seen = HashSet::new();
    Node::read_array(0..=Catalogue::MAX_RULES, |node, at, faults| {
        let rule = read_rule(node, at.clone(), faults, references, rigour)?;
        if !seen.insert(rule.id.clone()) {
            faults.add(at.field("id"), format!("names {} a second time", rule.id));
        }
        Some(rule)
    })(node, at, faults)
}

fn read_rule(
    node: Node,
    at: Pointer,
    faults: &mut Faults,
    references: &mut References,
    rigour: &Rigour<'_>,
) -> Option<Rule> {
    let mut fields = Fields::open(node, at, faults)?;
    let id = fields.required("id", Node::read_string(RuleId::parse));
    let on = fields.required("on", |node, at, faults| {
        let on = read_event_name(node, at.clone(), faults)?;
        rigour.check_on(&on, at, faults);
        Some(on)
    });
    let once_per = fields.optional("oncePer", |node, at, faults| {
        let once_per = Node::read_string(DataPointer::parse)(node, at.clone(), faults)?;
        if let Some(on) = &on {
            rigour.check_once_per(on, &once_per, at, faults);
        }
        Some(once_per)
    });
    let from = on.clone().map(Thing::Event);
    let mut seen = HashSet::new();
    let grant = fields.required(
        "grant",
        Node::read_array(1..=Effect::MAX_GRANTS, |node, at, faults| {
            let id_at = if let Node::Object(_) = node { at.field("itemId") } else { at.clone() };
            let granted = ItemQuantity::read(node, at, faults)?;
            if seen.insert(granted.item_id.clone()) {
                let to = Thing::Item(granted.item_id.clone());
                references.note(Reference { from: from.clone(), to, kind: Kind::Gives, at: id_at });
            } else {
                faults.add(id_at, format!("names {} a second time", granted.item_id));
            }
            Some(granted)
        }),
    );
    fields.finish();
    Some(Rule { id: id?, on: on?, once_per, grant: grant? })
}
