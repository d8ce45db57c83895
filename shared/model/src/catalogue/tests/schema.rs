//! The catalogue's own JSON Schema.

use std::path::Path;
use std::{env, fs};

use satchel_forms::testing::disagreement;

use super::*;
use crate::catalogue::read::{CatalogueDocument, structure};

/// A document with every part that there is.
fn whole() -> Value {
    let mut document = sample();
    document["items"]["key"]["retired"] = json!(false);
    document["items"]["potion"]["use"] =
        json!({"effects": [{"emit": "potion/drunk"}, {"grant": ["key"]}], "allowSkipped": true});
    document["events"] = json!({"potion/drunk": {"description": "A sip", "schema": {}}});
    document["rules"] = json!([{"id": "sip", "on": "potion/drunk", "oncePer": "/itemId", "grant": [{"itemId": "gold", "quantity": 5}, "key"]}]);
    document["version"] = json!(7);
    document
}

#[test]
fn the_schema_and_the_reader_agree_on_the_form_of_a_document() {
    assert_eq!(disagreement::<CatalogueDocument>(&[whole()], structure), None);
}

#[test]
fn the_schema_is_the_one_that_is_published_with_the_documents() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/catalogue.schema.json");
    let schema = catalogue_schema().to_value();
    if env::var_os("SATCHEL_WRITE_SCHEMA").is_some() {
        fs::write(&path, serde_json::to_string_pretty(&schema).unwrap() + "\n").unwrap();
    }
    let published: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(published, schema, "write it anew: SATCHEL_WRITE_SCHEMA=1 cargo test -p satchel-model --lib schema");
}
