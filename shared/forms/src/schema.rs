//! JSON Schemas (2020-12) of forms: what is said once of a type is read here as what a reader asks for.

use std::ops::RangeInclusive;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

/// A type whose fields are members of an object, and their schemas.
pub trait Described {
    /// Adds its members.
    fn describe(object: &mut ObjectSchema, generator: &mut SchemaGenerator);
}

/// The schema of an object, in the making.
#[derive(Debug, Default)]
pub struct ObjectSchema {
    properties: Map<String, Value>,
    required: Vec<String>,
    /// Sets of further members of which exactly one is there.
    alternatives: Vec<Self>,
    doc: String,
}

impl ObjectSchema {
    /// That of a type's members.
    pub fn of<T: Described>(generator: &mut SchemaGenerator) -> Self {
        let mut object = Self::default();
        T::describe(&mut object, generator);
        object
    }

    /// Adds a member.
    pub fn member(&mut self, name: &str, mut schema: Schema, doc: &str, is_required: bool) {
        if !doc.is_empty() {
            schema.insert("description".to_owned(), doc.into());
        }
        self.properties.insert(name.to_owned(), schema.to_value());
        if is_required {
            self.required.push(name.to_owned());
        }
    }

    /// Adds a member of which anything is taken.
    pub fn anything(&mut self, name: &str) {
        self.properties.insert(name.to_owned(), true.into());
    }

    /// Adds the member by which alternatives are told apart.
    pub fn tag(&mut self, name: &str, value: &str, doc: &str) {
        doc.clone_into(&mut self.doc);
        self.member(name, json_schema!({"const": value}), "", true);
    }

    /// Adds sets of members of which exactly one is there.
    pub fn alternatives(&mut self, alternatives: Vec<Self>) {
        self.alternatives.extend(alternatives);
    }

    /// The schema of an object with these members and no others.
    #[must_use]
    pub fn into_schema(self, doc: &str) -> Schema {
        // What `oneOf` knows, `additionalProperties` beside it does not.
        let closes = if self.alternatives.is_empty() { "additionalProperties" } else { "unevaluatedProperties" };
        let mut schema = self.into_open();
        schema.insert(closes.to_owned(), false.into());
        if !doc.is_empty() {
            schema.insert("description".to_owned(), doc.into());
        }
        schema
    }

    fn into_open(self) -> Schema {
        let Self { properties, required, alternatives, doc } = self;
        let mut schema = json_schema!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if !alternatives.is_empty() {
            let alternatives: Vec<Schema> = alternatives.into_iter().map(Self::into_open).collect();
            schema.insert("oneOf".to_owned(), json!(alternatives));
        }
        if !doc.is_empty() {
            schema.insert("description".to_owned(), doc.into());
        }
        schema
    }
}

/// One of several objects.
#[must_use]
pub fn one_of(doc: &str, objects: Vec<ObjectSchema>) -> Schema {
    let objects: Vec<Schema> = objects.into_iter().map(|object| object.into_schema("")).collect();
    json_schema!({"description": doc, "oneOf": objects})
}

/// One of two forms of the same thing.
#[must_use]
pub fn either(one: &Schema, other: &Schema) -> Schema {
    json_schema!({"anyOf": [one, other]})
}

/// What may also be `null`.
#[must_use]
pub fn or_null(schema: &Schema) -> Schema {
    either(schema, &json_schema!({"type": "null"}))
}

/// An array.
#[must_use]
pub fn array_schema(bounds: RangeInclusive<usize>, element: &Schema) -> Schema {
    json_schema!({"type": "array", "minItems": bounds.start(), "maxItems": bounds.end(), "items": element})
}

/// An integer. (Those that are written as `1.0` are integers to JSON Schema alone.)
#[must_use]
pub fn integer_schema(bounds: RangeInclusive<i64>) -> Schema {
    json_schema!({"type": "integer", "minimum": bounds.start(), "maximum": bounds.end()})
}

/// A text of so many characters (not bytes).
#[must_use]
pub fn text_schema(chars: RangeInclusive<usize>) -> Schema {
    json_schema!({"type": "string", "minLength": chars.start(), "maxLength": chars.end()})
}

/// As [`text_schema`], of a text that fits a pattern as well.
#[must_use]
pub fn pattern_schema(chars: RangeInclusive<usize>, pattern: &str) -> Schema {
    let mut schema = text_schema(chars);
    schema.insert("pattern".to_owned(), pattern.into());
    schema
}

/// One of these names.
#[must_use]
pub fn names_schema(names: &[&str]) -> Schema {
    json_schema!({"type": "string", "enum": names})
}

/// An object whose members are named by `K`, at most `most` of them.
pub fn map_schema<K: JsonSchema, V: JsonSchema>(generator: &mut SchemaGenerator, most: usize) -> Schema {
    let (names, values) = (generator.subschema_for::<K>(), generator.subschema_for::<V>());
    json_schema!({"type": "object", "maxProperties": most, "propertyNames": names, "additionalProperties": values})
}
