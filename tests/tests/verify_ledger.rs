//! A ledger can be verified by its documentation alone: `tests/verify_ledger.py` shares no code with Satchel.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

use serde_json::{Value, json};

const VERIFIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/verify_ledger.py");
const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/design/ledger-vectors.json");

fn verify(file: &str) -> Output {
    Command::new("python3").args([VERIFIER, file]).output().expect("python3")
}

/// Falsifies the vectors.
type Edit = fn(&mut Value);

#[test]
fn the_published_vectors_verify_and_edited_ones_do_not() {
    let output = verify(VECTORS);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let edits: [(Edit, &str); 11] = [
        (|all| all["chain"][0]["body"] = "{}".into(), "the record of change 1"),
        (|all| all["chain"][1]["atMicros"] = 7.into(), "the record of change 3"),
        (|all| all["chain"][1]["uid"] = 43.into(), "the record of change 3"),
        (|all| all["chain"][2]["jobId"] = all["chain"][0]["jobId"].clone(), "the record of change 4"),
        (|all| drop(all["chain"].as_array_mut().unwrap().remove(1)), "the record of change 4"),
        (|all| drop(all["chain"].as_array_mut().unwrap().pop()), "the head"),
        (|all| all["head"]["hash"] = all["chain"][0]["seal"].clone(), "the head"),
        (|all| all["head"]["decidedAtMicros"] = 7.into(), "the head's MAC"),
        (|all| all["key"] = json!("08".repeat(32)), "the head's MAC"),
        (|all| all["alone"][0]["isRejected"] = false.into(), "the record of job 00000000-0000-0000-0000-000000000003"),
        (|all| all["alone"][0]["count"] = 1.into(), "the record of job 00000000-0000-0000-0000-000000000003"),
    ];
    let vectors: Value = serde_json::from_str(&std::fs::read_to_string(VECTORS).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("edited.json");
    for (edit, part) in edits {
        let mut edited = vectors.clone();
        edit(&mut edited);
        std::fs::write(&file, edited.to_string()).unwrap();
        let output = verify(file.to_str().unwrap());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.trim_end()), (Some(1), &*format!("{part} does not fit")));
    }
}
