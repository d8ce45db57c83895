//! Reads the catalogue document. Faults are collected, never returned early, so a value that was
//! read with a fault may stand in as its default: the catalogue is refused in the end.

use std::collections::HashMap;

use satchel_forms::{Faults, Fields, Node, Pointer};

use super::ItemQuantity;
use super::read_events::{Rigour, read_event_name, read_events, read_rules};
use super::references::{Kind, Reference, References, Thing};
use super::{Catalogue, Consume, Effect, GrantPolicy, Item, Overflow, Requirement, Requires, Use, UseRules};
use crate::ids::{ItemId, Quantity};

/// Parts of CATALOGUE.md that a later version brings, by the object that will have them.
const LATER_IN_DOCUMENT: &[&str] = &["lootTables"];
const LATER_IN_USE: &[&str] = &["cooldownSeconds", "availableFrom", "availableUntil", "maxUses", "maxUsesPerDay"];
const LATER_IN_EFFECT: &[&str] = &["roll"];

/// What `GET /catalogue` says beside the document: whoever edits its answer and publishes that need not take it out. It
/// is told anew with each version.
const TOLD_IN_ANSWERS: [&str; 3] = ["version", "publishedAt", "publishedBy"];

/// Why those are refused rather than ignored: a designer who wrote one counts on it.
const NOT_YET: &str = "is not supported by this version of Satchel yet";

/// Reads a whole document.
pub(super) fn document(node: Node, is_new: bool) -> Result<Catalogue, Faults> {
    let mut faults = Faults::default();
    let mut references = References::default();
    let (mut items, mut events, mut rules) = (None, None, None);
    if let Some(mut fields) = Fields::open(node, Pointer::root(), &mut faults) {
        items = fields.required("items", |node, at, faults| read_items(node, &at, faults, &mut references));
        events = fields.optional("events", |node, at, faults| read_events(node, &at, faults));
        let declared = events.as_ref();
        rules = fields.optional("rules", |node, at, faults| {
            let rigour = if is_new { Rigour::of_new(declared, &references) } else { Rigour::InForce };
            read_rules(node, at, faults, &mut references, &rigour)
        });
        for name in TOLD_IN_ANSWERS {
            drop(fields.take(name));
        }
        fields.finish_with(not_taken(LATER_IN_DOCUMENT));
    }
    references.check(&mut faults);
    match items {
        Some(items) if faults.is_empty() => {
            Ok(Catalogue::new(items, events.unwrap_or_default(), rules.unwrap_or_default()))
        }
        _ => Err(faults),
    }
}

/// What to say of a field that nobody took.
fn not_taken(later: &'static [&'static str]) -> impl Fn(&str) -> String {
    move |name| {
        if later.contains(&name) { NOT_YET.to_owned() } else { "is not a known field".to_owned() }
    }
}

fn read_items(
    node: Node,
    at: &Pointer,
    faults: &mut Faults,
    references: &mut References,
) -> Option<HashMap<ItemId, Item>> {
    let Node::Object(members) = node else {
        faults.add(at.clone(), format!("must be an object, not {}", node.kind()));
        return None;
    };
    if members.len() > Catalogue::MAX_ITEMS {
        faults.add(at.clone(), format!("must have at most {} items, not {}", Catalogue::MAX_ITEMS, members.len()));
        return None;
    }
    let mut items = HashMap::with_capacity(members.len());
    for (name, node) in members {
        let at = at.field(&name);
        let id =
            ItemId::parse(&name).map_err(|error| faults.add(at.clone(), format!("is not an item id: it {error}"))).ok();
        if id.as_ref().is_some_and(|id| references.is_declared(id)) {
            faults.add(at, "is given twice");
            continue;
        }
        if let Some(id) = &id {
            references.declare(id.clone());
        }
        let item = ItemReader { id: id.as_ref(), references: &mut *references }.read(node, at, faults);
        items.extend(id.zip(item));
    }
    Some(items)
}

/// Reads one item, noting the items that it refers to.
struct ItemReader<'r> {
    /// Which item is being read; `None` if its id has a fault.
    id: Option<&'r ItemId>,
    references: &'r mut References,
}

impl ItemReader<'_> {
    fn read(mut self, node: Node, at: Pointer, faults: &mut Faults) -> Option<Item> {
        let mut fields = Fields::open(node, at, faults)?;
        let name = fields.required("name", Node::read_string(item_name));
        let grant = read_grant_policy(&mut fields);
        let use_ = fields.optional("use", |node, at, faults| self.read_use(node, at, faults));
        let retired = fields.optional("retired", Node::read_bool).unwrap_or_default();
        fields.finish();
        if let Some(id) = self.id.filter(|_| retired) {
            self.references.retire(id);
        }
        Some(Item { name: name?, grant: grant?, use_, retired })
    }

    fn read_use(&mut self, node: Node, at: Pointer, faults: &mut Faults) -> Option<Use> {
        let mut fields = Fields::open(node, at, faults)?;
        let consume = fields.optional("consume", Node::read_integer(consumed)).unwrap_or(Consume::DEFAULT_PIECES);
        let mut seen = Vec::new();
        let requires = fields.optional(
            "requires",
            Node::read_array(0..=Requires::MAX, |node, at, faults| self.read_requirement(node, at, faults, &mut seen)),
        );
        let effects = fields.optional(
            "effects",
            Node::read_array(0..=Use::MAX_EFFECTS, |node, at, faults| self.read_effect(node, at, faults)),
        );
        let allow_skipped = fields.optional("allowSkipped", Node::read_bool).unwrap_or_default();
        fields.finish_with(not_taken(LATER_IN_USE));
        let (requires, effects) = (requires.unwrap_or_default(), effects.unwrap_or_default());
        let rules = UseRules { consume: Consume { pieces: consume }, requires: Requires { all: requires } };
        Some(Use { rules, effects, allow_skipped })
    }

    fn read_requirement(
        &mut self,
        node: Node,
        at: Pointer,
        faults: &mut Faults,
        seen: &mut Vec<ItemId>,
    ) -> Option<Requirement> {
        let mut fields = Fields::open(node, at, faults)?;
        let id_at = fields.at().field("itemId");
        let item_id = fields.required("itemId", Node::read_string(ItemId::parse));
        let quantity = fields.optional("quantity", Node::read_integer(Quantity::parse)).unwrap_or(Quantity::ONE);
        let consume = fields.optional("consume", Node::read_bool).unwrap_or_default();
        if let Some(item_id) = &item_id {
            if self.id == Some(item_id) {
                let detail = "is the used item itself: how many of it a use takes is its `consume`";
                fields.faults().add(id_at.clone(), detail);
            }
            self.refer(Kind::Requires, item_id, id_at, seen, fields.faults());
        }
        fields.finish();
        Some(Requirement { item_id: item_id?, quantity, consume })
    }

    fn read_effect(&mut self, node: Node, at: Pointer, faults: &mut Faults) -> Option<Effect> {
        let mut fields = Fields::open(node, at, faults)?;
        let mut is_later = false;
        for name in LATER_IN_EFFECT {
            if fields.take(name).is_some() {
                let at = fields.at().field(name);
                fields.faults().add(at, NOT_YET);
                is_later = true;
            }
        }
        let mut seen = Vec::new();
        let emit = fields.take("emit");
        let grants =
            Node::read_array(1..=Effect::MAX_GRANTS, |node, at, faults| self.read_grant(node, at, faults, &mut seen));
        // One fault is enough for an effect of a later version: it needs no `grant` as well.
        let may_lack_grant = is_later || emit.is_some();
        let grant = if may_lack_grant { fields.optional("grant", grants) } else { fields.required("grant", grants) };
        let at = fields.at().field("emit");
        let effect = match (emit, grant) {
            (Some(_), Some(_)) => {
                fields.faults().add(at, "stands beside `grant`: each effect does one thing");
                None
            }
            (Some(emit), None) => self.read_emit(emit, at, fields.faults()),
            (None, grant) => grant.map(Effect::Grant),
        };
        fields.finish();
        effect
    }

    fn read_emit(&mut self, node: Node, at: Pointer, faults: &mut Faults) -> Option<Effect> {
        let name = read_event_name(node, at.clone(), faults)?;
        self.note(Kind::Gives, Thing::Event(name.clone()), at);
        Some(Effect::Emit(name))
    }

    /// One entry of a `grant` list.
    fn read_grant(
        &mut self,
        node: Node,
        at: Pointer,
        faults: &mut Faults,
        seen: &mut Vec<ItemId>,
    ) -> Option<ItemQuantity> {
        let id_at = if let Node::Object(_) = node { at.field("itemId") } else { at.clone() };
        let granted = ItemQuantity::read(node, at, faults)?;
        self.refer(Kind::Gives, &granted.item_id, id_at, seen, faults);
        Some(granted)
    }

    /// Notes that this item refers to `to`, which may be only once in a list: `seen` are those before it.
    fn refer(&mut self, kind: Kind, to: &ItemId, at: Pointer, seen: &mut Vec<ItemId>, faults: &mut Faults) {
        if seen.contains(to) {
            faults.add(at, format!("names {to} a second time"));
            return;
        }
        seen.push(to.clone());
        self.note(kind, Thing::Item(to.clone()), at);
    }

    fn note(&mut self, kind: Kind, to: Thing, at: Pointer) {
        let from = self.id.cloned().map(Thing::Item);
        self.references.note(Reference { from, to, kind, at });
    }
}

fn read_grant_policy(fields: &mut Fields<'_>) -> Option<GrantPolicy> {
    let policy = fields.required("grant", Node::read_string(grant_policy));
    if matches!(policy, Some(GrantPolicy::Once | GrantPolicy::Unique)) {
        for name in ["maxStack", "overflow"] {
            if fields.take(name).is_some() {
                let at = fields.at().field(name);
                fields.faults().add(at, "goes only with the grant policy `stack`");
            }
        }
    }
    let max_stack = fields.optional("maxStack", Node::read_integer(max_stack));
    let overflow = fields.optional("overflow", Node::read_string(overflow)).unwrap_or_default();
    policy.map(|policy| match policy {
        GrantPolicy::Stack { .. } => GrantPolicy::Stack { max_stack, overflow },
        single => single,
    })
}

fn item_name(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if !(1..=Item::MAX_NAME_CHARS).contains(&length) {
        return Err(format!("must be 1 to {} characters, not {length}", Item::MAX_NAME_CHARS));
    }
    if text.chars().any(char::is_control) {
        return Err("must have no control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn grant_policy(text: &str) -> Result<GrantPolicy, &'static str> {
    match text {
        "once" => Ok(GrantPolicy::Once),
        "unique" => Ok(GrantPolicy::Unique),
        "stack" => Ok(GrantPolicy::Stack { max_stack: None, overflow: Overflow::default() }),
        _ => Err("must be `once`, `unique` or `stack`"),
    }
}

fn overflow(text: &str) -> Result<Overflow, &'static str> {
    match text {
        "reject" => Ok(Overflow::Reject),
        "clamp" => Ok(Overflow::Clamp),
        _ => Err("must be `reject` or `clamp`"),
    }
}

fn max_stack(value: i64) -> Result<i64, String> {
    let most = GrantPolicy::MAX_STACK;
    if (1..=most).contains(&value) { Ok(value) } else { Err(format!("must be an integer from 1 to {most}")) }
}

fn consumed(value: i64) -> Result<i64, String> {
    let most = Quantity::MAX;
    if (0..=most).contains(&value) { Ok(value) } else { Err(format!("must be an integer from 0 to {most}")) }
}
