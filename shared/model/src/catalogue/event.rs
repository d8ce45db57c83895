//! An event of the game's own, as the catalogue declares it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Validator};
use satchel_forms::{At, Faults, Form, Node, Pointer, text_schema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

use super::schema_cost::{MAX_DATA_LEVELS, MAX_PATTERN_BYTES, SchemaCost};

/// An event of the game's own.
///
/// Serialises to its canonical form.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Form)]
pub struct EventDefinition {
    /// When it happens, for people.
    #[form(
        text = EventDefinition::parse_description,
        schema = text_schema(0..=EventDefinition::MAX_DESCRIPTION_CHARS)
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What its data must look like; anything if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<DataSchema>,
}

impl EventDefinition {
    /// The longest description, in characters.
    pub const MAX_DESCRIPTION_CHARS: usize = 500;

    fn parse_description(text: &str) -> Result<String, String> {
        let (chars, most) = (text.chars().count(), Self::MAX_DESCRIPTION_CHARS);
        if chars <= most { Ok(text.to_owned()) } else { Err(format!("must be at most {most} characters, not {chars}")) }
    }
}

/// A JSON Schema (draft 2020-12) of an event's data.
#[derive(Clone)]
pub struct DataSchema {
    document: Arc<Value>,
    validator: Arc<Validator>,
    cost: Arc<SchemaCost>,
}

impl DataSchema {
    /// The longest, in bytes of its JSON.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// Of one event's faults so many are told.
    const MAX_FAULTS: usize = 20;
    /// The most work that one event may make, in subschemas applied to values: some tens of milliseconds.
    const MAX_JUDGING: u64 = 2_000_000;
    /// The most work for which an event's faults are listed: each costs memory, told or not.
    const MAX_LISTING: u64 = 100_000;

    /// Compiles a schema. References lead within it only, patterns are such that matching takes linear time, and what
    /// checking can cost is bounded.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn compile(document: Value) -> Result<Self, String> {
        let bytes = document.to_string().len();
        if bytes > Self::MAX_BYTES {
            return Err(format!("must have at most {} bytes, not {bytes}", Self::MAX_BYTES));
        }
        let cost = SchemaCost::of(&document)?;
        let patterns = PatternOptions::regex().size_limit(MAX_PATTERN_BYTES);
        let options = jsonschema::options().with_draft(Draft::Draft202012).offline().with_pattern_options(patterns);
        // By itself the draft takes a format for a remark.
        let options = options.should_validate_formats(true);
        match options.build(&document) {
            Ok(validator) => {
                Ok(Self { document: Arc::new(document), validator: Arc::new(validator), cost: Arc::new(cost) })
            }
            Err(error) => Err(format!("is no JSON Schema: {error}")),
        }
    }

    /// The schema itself.
    pub(super) fn document(&self) -> &Value {
        &self.document
    }

    /// Notes what is wrong with an event's data, which stands `at` some place.
    pub(super) fn check(&self, data: &Map<String, Value>, at: &Pointer, faults: &mut Faults) {
        let Some(work) = self.cost.work(data) else {
            faults.add(at.clone(), format!("must not be nested deeper than {MAX_DATA_LEVELS} levels"));
            return;
        };
        if work.judging > Self::MAX_JUDGING {
            faults.add(at.clone(), "is too large to be checked by the event's schema in a reasonable time");
            return;
        }
        let data = Value::Object(data.clone());
        if self.validator.is_valid(&data) {
            return;
        }
        if work.listing > Self::MAX_LISTING {
            faults.add(at.clone(), "is not as the event's schema says; it is too large to list where");
            return;
        }
        for error in self.validator.iter_errors(&data).take(Self::MAX_FAULTS) {
            faults.add(at.below(error.instance_path().as_str()), error.to_string());
        }
    }
}

impl DataSchema {
    /// See [`super::Catalogue::event_work`].
    pub(super) fn work(&self, data: &Map<String, Value>) -> u64 {
        // What is too deep or too large is refused without a look.
        let work = self.cost.work(data).filter(|work| work.judging <= Self::MAX_JUDGING);
        work.map_or(0, |work| work.judging + if work.listing <= Self::MAX_LISTING { work.listing } else { 0 })
    }

    /// What its compiled patterns take, in bytes.
    pub(super) fn pattern_bytes(&self) -> usize {
        self.cost.pattern_bytes
    }
}

impl<C: ?Sized> Form<C> for DataSchema {
    fn read(node: Node, at: &At<'_>, _: &mut C, faults: &mut Faults) -> Option<Self> {
        if !matches!(node, Node::Object(_)) {
            faults.note(at, format!("must be an object, not {}", node.kind()));
            return None;
        }
        let document = node.into_value(&at.pointer(), faults)?;
        Self::compile(document).map_err(|detail| faults.note(at, detail)).ok()
    }
}

impl JsonSchema for DataSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DataSchema".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "$ref": "https://json-schema.org/draft/2020-12/schema"})
    }
}

impl PartialEq for DataSchema {
    fn eq(&self, other: &Self) -> bool {
        self.document == other.document
    }
}

impl fmt::Debug for DataSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.document.fmt(f)
    }
}

impl Serialize for DataSchema {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document.as_ref().serialize(serializer)
    }
}
