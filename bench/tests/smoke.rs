//! The program itself, with the debug build of everything that it measures.
#![expect(clippy::unwrap_used, reason = "a test reports trouble by panicking")]

use std::process::{Command, Output};

use serde_json::Value;

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(arguments).output().unwrap()
}

#[test]
fn a_small_drain_is_right_and_told_in_json() {
    // More than fit into one batch.
    let output = bench(&["drain", "--jobs", "3500", "--rounds", "1", "--no-peers", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().all(|row| row["scenario"] == "drain" && row["contender"] == "satchel"), "{text}");
    let value = |metric: &str| rows.iter().find(|row| row["metric"] == metric).and_then(|row| row["value"].as_f64());
    assert!(value("applied").unwrap() > 0.0);
    assert!(value("peak memory, worker").unwrap() > 0.0);
    assert_eq!(value("invariants violated"), Some(0.0));
}

#[test]
fn what_nobody_can_measure_is_refused() {
    let output = bench(&["drain", "--jobs", "none"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
