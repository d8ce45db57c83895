//! Who may use whom: each crate of this workspace, the others that it builds on, and who alone has which driver. A crate that
//! is not listed, or an edge that is not allowed, fails.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate, with those that it may use. Who is above may know who is below.
const LAYERS: [(&str, &[&str]); 16] = [
    ("forms", &[]),
    ("settings", &[]),
    ("tasks", &[]),
    ("model", &["forms"]),
    ("security", &["settings"]),
    ("wire", &["forms", "model", "settings"]),
    ("queue", &["model", "settings", "wire"]),
    ("store", &["forms", "model", "security", "settings", "wire"]),
    ("api", &["forms", "model", "queue", "security", "settings", "store", "wire"]),
    ("functions", &["model", "queue", "settings", "store", "tasks", "wire"]),
    ("connectors", &["functions", "model", "security", "settings", "store", "wire"]),
    ("worker", &["connectors", "functions", "model", "queue", "settings", "store", "tasks", "wire"]),
    ("private", &[]),
    ("cli", &["api", "forms", "functions", "model", "private", "queue", "security", "settings", "store", "worker"]),
    ("tests", &["cli", "forms", "functions", "model", "security", "settings", "wire", "worker"]),
    ("bench", &["model", "private"]),
];

/// Means that only these crates have.
const MEANS: [(&str, &[&str]); 6] = [
    ("sqlx", &["store"]),
    ("redis", &["queue"]),
    ("actix-web", &["api"]),
    ("reqwest", &["connectors", "tests"]),
    ("lapin", &["connectors", "tests"]),
    (
        "tokio",
        &["api", "bench", "cli", "connectors", "functions", "queue", "settings", "store", "tasks", "tests", "worker"],
    ),
];

/// A crate's name without the project's.
fn short(name: &str) -> &str {
    name.strip_prefix("satchel-").unwrap_or(name)
}

/// For each crate what its Cargo.toml names; what only its tests use does not count.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let named = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"].is_null()).map(|dependency| text(&dependency["name"])).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(|package| (short(&text(&package["name"])).to_owned(), named(package))).collect()
}

#[test]
fn each_crate_uses_only_what_is_below_it() {
    let layers: BTreeMap<&str, &[&str]> = LAYERS.into_iter().collect();
    let found = dependencies();
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), layers.keys().copied().collect::<Vec<_>>());
    for (name, used) in &found {
        let used = used.iter().filter(|other| found.contains_key(short(other)) && other.starts_with("satchel-"));
        for other in used.map(|other| short(other)) {
            assert!(layers[name.as_str()].contains(&other), "{name} uses {other}, which is not below it");
        }
    }
}

#[test]
fn drivers_are_used_where_they_belong() {
    let found = dependencies();
    for (means, allowed) in MEANS {
        for (name, used) in &found {
            assert!(!used.contains(means) || allowed.contains(&name.as_str()), "{name} uses {means}");
        }
    }
}
