//! Whether what a type's JSON Schema says and what its reader takes are the same.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Faults, Node};

/// Looks for a document of which the schema of `T` and `read` think differently: among these, which both must take, and
/// among what they become when one value is another one, a member is missing, or there is one that nobody knows. `None` if
/// there is none, else what it is.
pub fn disagreement<T: JsonSchema>(good: &[Value], read: impl Fn(Node) -> Result<(), Faults>) -> Option<String> {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    let validator = match jsonschema::options().offline().should_validate_formats(true).build(&schema) {
        Ok(validator) => validator,
        Err(error) => return Some(error.to_string()),
    };
    let read = |document: &Value| match Node::parse(document.to_string().as_bytes()) {
        Ok(node) => read(node).err().map(|faults| faults.to_string()),
        Err(error) => Some(error.to_string()),
    };
    let refused = good.iter().find_map(|document| {
        let refusal = read(document).or_else(|| validator.validate(document).err().map(|error| error.to_string()))?;
        Some(format!("{document} should be fine: {refusal}"))
    });
    refused.or_else(|| {
        good.iter().flat_map(variants).find_map(|document| {
            let (told, is_valid) = (read(&document), validator.is_valid(&document));
            let is_same = told.is_none() == is_valid;
            (!is_same).then(|| format!("{document}: the schema takes it: {is_valid}, the reader says {told:?}"))
        })
    })
}

/// What a document becomes by one change.
fn variants(document: &Value) -> Vec<Value> {
    let mut variants = odd();
    match document {
        Value::Object(members) => {
            let with = |name: &str, value: Value| {
                let mut members = members.clone();
                members.insert(name.to_owned(), value);
                Value::Object(members)
            };
            for (name, value) in members {
                variants.extend(self::variants(value).into_iter().map(|value| with(name, value)));
                let rest = members.iter().filter(|(other, _)| *other != name);
                variants.push(Value::Object(
                    rest.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>(),
                ));
            }
            variants.push(with("Nobody knows it", json!({})));
        }
        Value::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                let changed = |value: Value| {
                    let others = elements.iter().enumerate();
                    others
                        .map(|(other, element)| if other == place { value.clone() } else { element.clone() })
                        .collect()
                };
                variants.extend(self::variants(element).into_iter().map(changed));
            }
        }
        _ => {}
    }
    variants
}

/// Values that are seldom right.
fn odd() -> Vec<Value> {
    let long = "x".repeat(1_000);
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(10_000_000_000_i64),
        json!(u64::MAX),
        json!(""),
        json!("Ä b\n"),
        json!("."),
        json!(long),
        json!([]),
        json!([null]),
        json!({}),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Form, Pointer, integer_schema, read};

    /// Its schema says more than its reader takes.
    #[derive(Form)]
    struct Loose {
        #[form(range = 1..=9, schema = integer_schema(0..=9))]
        #[expect(dead_code, reason = "it is only read")]
        number: i64,
    }

    #[test]
    fn a_schema_that_takes_more_than_the_reader_is_found() {
        let reader = |node| read::<Loose>(node, Pointer::root()).map(drop);
        let found = disagreement::<Loose>(&[json!({"number": 5})], reader).unwrap();
        assert!(found.starts_with(r#"{"number":0}: the schema takes it: true"#), "{found}");
        assert!(disagreement::<Loose>(&[json!({"number": 0})], reader).unwrap().contains("should be fine"));
    }
}
