//! Whether a JSON Schema (draft 2020-12) sees to it that there is a value at some place of the data.
//!
//! Only what is said plainly counts: `required`, at each step of the way, in the schema itself, in what it refers to within
//! the document, in one of `allOf`, or in all of `anyOf` or `oneOf`. What a schema demands in other ways is not found; its
//! author can always say it plainly.

use serde_json::{Map, Value};

/// Most parts of a schema that are looked at; what is not found until then is not required.
const MAX_LOOKS: usize = 10_000;
/// Most parts within parts: more than a pointer has steps.
const MAX_NESTED: usize = 128;

/// Whether the schema requires a value at this place, given by the names and numbers that lead to it.
pub(super) fn is_required(schema: &Value, segments: Vec<String>) -> bool {
    let mut look = Look { root: schema, segments, left: MAX_LOOKS };
    look.requires(schema, 0, 0)
}

/// A search through one schema.
struct Look<'s> {
    root: &'s Value,
    segments: Vec<String>,
    /// How many parts may still be looked at: references may lead in circles.
    left: usize,
}

impl<'s> Look<'s> {
    /// Whether `schema`, which is `nested` so deep in this search, requires the rest of the way, from the segment `depth` on,
    /// of a value that is there.
    fn requires(&mut self, schema: &'s Value, depth: usize, nested: usize) -> bool {
        let Some(segment) = self.segments.get(depth).cloned() else { return true };
        let Some(rules) = schema.as_object() else { return false };
        if self.left == 0 || nested == MAX_NESTED {
            return false;
        }
        self.left -= 1;
        // All parts in force together may say each a half of it: one that a member is there, another what it is.
        let parts = self.together(rules);
        let is_there = parts.iter().any(|part| has_member(part, &segment, depth == 0));
        if is_there {
            let rest = depth + 1 == self.segments.len();
            let mut below = parts.iter().filter_map(|part| member(part, &segment));
            if rest || below.any(|below| self.requires(below, depth + 1, nested + 1)) {
                return true;
            }
        }
        parts.iter().any(|part| {
            ["anyOf", "oneOf"].iter().any(|of| {
                let branches = part.get(*of).and_then(Value::as_array);
                branches.is_some_and(|all| {
                    !all.is_empty() && all.iter().all(|branch| self.requires(branch, depth, nested + 1))
                })
            })
        })
    }

    /// The schema, what it refers to, and all of its `allOf`, each with its own.
    fn together(&mut self, rules: &'s Map<String, Value>) -> Vec<&'s Map<String, Value>> {
        let mut parts = vec![rules];
        let mut next = 0;
        while let Some(part) = parts.get(next).copied() {
            next += 1;
            let referred =
                part.get("$ref").and_then(Value::as_str).and_then(|to| self.root.pointer(to.strip_prefix('#')?));
            let all = part.get("allOf").and_then(Value::as_array).into_iter().flatten();
            for found in referred.into_iter().chain(all).filter_map(Value::as_object) {
                if self.left > 0 && !parts.iter().any(|part| std::ptr::eq(*part, found)) {
                    self.left -= 1;
                    parts.push(found);
                }
            }
        }
        parts
    }
}

/// Whether it says that there is such a member, of an object that `is_object` anyway or because it says so, or such an element.
fn has_member(rules: &Map<String, Value>, segment: &str, is_object: bool) -> bool {
    let is = |name: &str| rules.get("type").and_then(Value::as_str) == Some(name);
    let named = rules.get("required").and_then(Value::as_array);
    let is_named = named.is_some_and(|named| named.iter().any(|name| name.as_str() == Some(segment)));
    let least = rules.get("minItems").and_then(Value::as_u64).unwrap_or(0);
    let is_counted = segment.parse::<u64>().is_ok_and(|index| index < least);
    (is_named && (is_object || is("object"))) || (is_counted && is("array"))
}

/// What it says of the member or element.
fn member<'s>(rules: &'s Map<String, Value>, segment: &str) -> Option<&'s Value> {
    let property = rules.get("properties").and_then(|properties| properties.get(segment));
    property.or_else(|| {
        let index: usize = segment.parse().ok()?;
        rules.get("prefixItems").and_then(|items| items.get(index)).or_else(|| rules.get("items"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn requires(schema: &Value, pointer: &str) -> bool {
        is_required(schema, pointer.split('/').skip(1).map(str::to_owned).collect())
    }

    #[test]
    fn a_member_is_required_if_each_step_to_it_is() {
        let place = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}});
        let schema = json!({"required": ["planet"], "properties": {"planet": place, "moon": place}});
        assert!(requires(&schema, "/planet") && requires(&schema, "/planet/id"));
        for not in ["/moon", "/moon/id", "/planet/name", "/planet/id/x", "/planetId", "/0"] {
            assert!(!requires(&schema, not), "{not}");
        }
        let perhaps_a_text = json!({"required": ["planet"], "properties": {"planet": {"required": ["id"]}}});
        assert!(!requires(&perhaps_a_text, "/planet/id"), "`required` asks nothing of a text");
        let list = json!({"required": ["stars"],
            "properties": {"stars": {"type": "array", "minItems": 2, "items": {"type": "string"}}}});
        assert!(requires(&list, "/stars/1") && !requires(&list, "/stars/2"));
        assert!(!requires(&json!(true), "/a") && !requires(&json!({}), "/a"));
    }

    #[test]
    fn what_is_said_elsewhere_counts_where_it_is_in_force() {
        let named = |name: &str| json!({"required": [name]});
        let schema = json!({"$defs": {"a": named("a")}, "$ref": "#/$defs/a",
            "allOf": [named("b"), {"properties": {"b": {"type": "object", "required": ["id"]}}}]});
        assert!(requires(&schema, "/a") && requires(&schema, "/b") && requires(&schema, "/b/id"));
        assert!(requires(&json!({"anyOf": [named("a"), {"required": ["a", "b"]}]}), "/a"));
        assert!(!requires(&json!({"anyOf": [named("a"), named("b")]}), "/a"));
        assert!(!requires(&json!({"not": named("a"), "if": named("a"), "then": named("a")}), "/a"));
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_looked_at_for_a_while() {
        let circle = json!({"$ref": "#", "anyOf": [{"$ref": "#"}, {"$ref": "#"}]});
        assert!(!requires(&circle, "/a"));
        let tree = json!({"type": "object", "required": ["left"], "properties": {"left": {"$ref": "#"}}});
        assert!(requires(&tree, "/left/left/left"));
    }
}
