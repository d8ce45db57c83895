use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::json;

use super::forms::{Deed, Thing};

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

#[test]
fn a_choice_is_one_of_objects_with_one_member() {
    let schema = generator().into_root_schema_for::<Deed>().to_value();
    let wait = json!({"type": "object", "required": ["wait"], "additionalProperties": false, "properties":
        {"wait": {"type": "integer", "minimum": 1, "maximum": 9, "description": "Waits so many minutes."}}});
    assert_eq!(schema["oneOf"][0], wait);
    assert_eq!(
        (&schema["oneOf"][1]["properties"]["say"]["maxItems"], schema["oneOf"].as_array().unwrap().len()),
        (&json!(2), 2)
    );
}

#[test]
fn a_tag_tells_alternatives_of_one_object_apart() {
    let schema = generator().into_root_schema_for::<Thing>().to_value();
    let cornered = json!({"type": "object", "required": ["kind"], "description": "Has some.", "properties": {
        "kind": {"const": "cornered"},
        "cornerCount": {"type": "integer", "minimum": 3, "maximum": 9, "description": "How many."}}});
    assert_eq!(schema["oneOf"][1], cornered);
    assert_eq!(schema["unevaluatedProperties"], json!(false));
    assert_eq!(schema["properties"], json!({"big": {"type": "boolean"}}));
    assert_eq!(schema["required"], json!(null));
}
