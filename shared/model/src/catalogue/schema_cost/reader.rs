//! From a schema's document to its subschemas.

use std::collections::HashMap;

use jsonschema::{Draft, PatternOptions};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::{Cost, MAX_PATTERN_BYTES, Subschema};

/// The sizes, in bytes, among which that of a compiled pattern is looked for. A larger one does not compile.
const PATTERN_SIZES: [usize; 4] = [4 * 1024, 16 * 1024, 64 * 1024, MAX_PATTERN_BYTES];
/// The most bytes that all compiled patterns of a schema may have.
const MAX_PATTERNS_BYTES: usize = 1024 * 1024;
/// A matcher may look at each of a pattern's states for each byte of a text. A state takes about 32 bytes, and looking at
/// eight of them takes about as long as applying a subschema.
const PATTERN_BYTES_PER_UNIT: usize = 32 * 8;

/// The subschemas that a schema leads to, itself the first; and the bytes of its patterns, compiled.
pub(super) fn read(document: &Value) -> Result<(Vec<Subschema>, usize), String> {
    let mut reader = Reader { document, places: HashMap::new(), found: Vec::new(), pattern_bytes: 0 };
    reader.place(document);
    let mut subschemas: Vec<Subschema> = Vec::new();
    while let Some(schema) = reader.found.get(subschemas.len()).copied() {
        subschemas.push(reader.read(schema, subschemas.is_empty())?);
    }
    Ok((subschemas, reader.pattern_bytes))
}

/// Finds the subschemas of a document.
struct Reader<'s> {
    document: &'s Value,
    /// By where they stand in memory.
    places: HashMap<*const Value, usize>,
    found: Vec<&'s Value>,
    pattern_bytes: usize,
}

impl<'s> Reader<'s> {
    /// The place of a subschema, which is read later if it was not found before.
    fn place(&mut self, schema: &'s Value) -> usize {
        let next = self.found.len();
        let place = *self.places.entry(std::ptr::from_ref(schema)).or_insert(next);
        if place == next {
            self.found.push(schema);
        }
        place
    }

    fn read(&mut self, schema: &'s Value, is_whole: bool) -> Result<Subschema, String> {
        let mut read = Subschema { own: Cost { per_value: 1, per_byte: 0 }, ..Subschema::default() };
        let Value::Object(keywords) = schema else { return Ok(read) };
        for (keyword, value) in keywords {
            match keyword.as_str() {
                "$ref" => read.same.push(self.refer(value)?),
                "$dynamicRef" | "$recursiveRef" => return Err(format!("must not have {keyword}: use $ref")),
                "$id" if !is_whole => return Err("must not have $id below its top".to_owned()),
                "allOf" | "anyOf" | "oneOf" => self.each(value, &mut read.same),
                "not" | "if" | "then" | "else" => read.same.push(self.place(value)),
                "dependentSchemas" | "dependencies" => {
                    read.own.per_value += size(value);
                    self.members(value, &mut read.same);
                }
                "properties" => {
                    read.own.per_value += value.as_object().map_or(0, Map::len) as u64;
                    self.members(value, &mut read.members.single);
                }
                "patternProperties" => {
                    for pattern in value.as_object().into_iter().flat_map(Map::keys) {
                        read.own.per_byte += self.pattern(pattern)?;
                    }
                    self.members(value, &mut read.members.every);
                }
                "additionalProperties" => read.members.single.push(self.place(value)),
                "propertyNames" => read.members.every.push(self.place(value)),
                "unevaluatedProperties" | "unevaluatedItems" => {
                    let place = self.place(value);
                    let below = if keyword == "unevaluatedItems" { &mut read.elements } else { &mut read.members };
                    below.every.push(place);
                    read.again.push(place);
                    read.is_unevaluated = true;
                }
                "prefixItems" => self.each(value, &mut read.elements.single),
                "items" if value.is_array() => self.each(value, &mut read.elements.single),
                "items" | "additionalItems" => read.elements.single.push(self.place(value)),
                "contains" => {
                    let place = self.place(value);
                    read.elements.every.push(place);
                    read.again.push(place);
                }
                "pattern" => read.own.per_byte += self.pattern(value.as_str().unwrap_or_default())?,
                "$defs" | "definitions" | "title" | "description" | "examples" | "default" | "$comment" => {}
                _ => read.own.per_value += size(value),
            }
        }
        Ok(read)
    }

    fn each(&mut self, value: &'s Value, places: &mut Vec<usize>) {
        places.extend(value.as_array().into_iter().flatten().map(|schema| self.place(schema)));
    }

    fn members(&mut self, value: &'s Value, places: &mut Vec<usize>) {
        places.extend(value.as_object().into_iter().flat_map(Map::values).map(|schema| self.place(schema)));
    }

    /// The subschema that a reference leads to.
    fn refer(&mut self, value: &'s Value) -> Result<usize, String> {
        let text = value.as_str().unwrap_or_default();
        let target = text.strip_prefix('#').and_then(|fragment| {
            let pointer = percent_decode_str(fragment).decode_utf8().ok()?;
            self.document.pointer(&pointer)
        });
        let target = target.ok_or_else(|| {
            let text: String = text.chars().take(100).collect();
            format!(
                "refers to {text}, which is no place in it: references lead to one within the schema, as #/$defs/name"
            )
        })?;
        Ok(self.place(target))
    }

    /// What each byte of a text costs by a pattern.
    fn pattern(&mut self, pattern: &str) -> Result<u64, String> {
        let document = json!({"pattern": pattern});
        let fits = |bytes: &usize| {
            let patterns = PatternOptions::regex().size_limit(*bytes);
            let options = jsonschema::options().with_draft(Draft::Draft202012).offline();
            options.with_pattern_options(patterns).build(&document).is_ok()
        };
        // One that is too large, or no pattern at all, is told of when the schema is compiled.
        let bytes = PATTERN_SIZES.into_iter().find(fits).unwrap_or_default();
        self.pattern_bytes += bytes;
        if self.pattern_bytes > MAX_PATTERNS_BYTES {
            return Err(format!(
                "has too many and too large patterns: compiled, they take more than {MAX_PATTERNS_BYTES} bytes"
            ));
        }
        Ok((bytes / PATTERN_BYTES_PER_UNIT) as u64)
    }
}

/// How many values there are in a value, itself included.
fn size(value: &Value) -> u64 {
    match value {
        Value::Array(values) => values.iter().map(size).fold(1, u64::saturating_add),
        Value::Object(members) => members.values().map(size).fold(1, u64::saturating_add),
        _ => 1,
    }
}
