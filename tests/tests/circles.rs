//! No two modules at the top of a crate use each other in a circle: whoever is above may know who is below. Tests do not count.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The crates that are free of circles.
const CRATES: [&str; 9] = [
    "shared/forms",
    "shared/queue",
    "shared/security",
    "shared/settings",
    "shared/tasks",
    "shared/wire",
    "worker",
    "worker/connectors",
    "worker/functions",
];

/// The modules that each module uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_modules_of_a_crate_use_each_other_in_a_circle() {
    for name in CRATES {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name).join("src");
        let mut uses = Uses::new();
        collect(&sources, None, &mut uses);
        assert!(!uses.is_empty(), "{name} has no modules");
        assert_eq!(circle(&uses), None, "{name} has a circle");
    }
}

#[test]
fn a_circle_is_found() {
    let uses = |edges: &[(&str, &str)]| {
        let mut uses = Uses::new();
        for (from, to) in edges {
            uses.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        uses
    };
    assert_eq!(circle(&uses(&[("a", "b"), ("a", "c"), ("b", "c")])), None);
    let modules = ["b", "c", "d", "b"].map(str::to_owned).to_vec();
    assert_eq!(circle(&uses(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")])), Some(modules));
    let text =
        "use crate::{Config, lanes::{Lane, shards}, tasks};\ncrate::verify::tell();\n#[cfg(test)]\nuse crate::start;";
    assert_eq!(named(text), BTreeSet::from(["Config", "lanes", "tasks", "verify"].map(str::to_owned)));
}

/// Notes what the sources in a folder use, all of them as one module where its name is given.
fn collect(folder: &Path, module: Option<&str>, uses: &mut Uses) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            collect(&path, Some(module.unwrap_or(&name)), uses);
        } else if let Some(stem) = name.strip_suffix(".rs")
            && !["lib", "main"].contains(&stem)
            && !stem.ends_with("tests")
        {
            let module = module.unwrap_or(stem).to_owned();
            uses.entry(module).or_default().extend(named(&fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The first names of a text's paths from the crate's root.
fn named(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names = BTreeSet::new();
    for path in text.split("crate::").skip(1) {
        match path.strip_prefix('{') {
            Some(group) => names.extend(first_names(group)),
            None => names.extend(first_name(path)),
        }
    }
    names
}

/// Of `a::{b, c}, d}` the names `a` and `d`.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                names.extend(group.get(start..at).and_then(|item| first_name(item.trim())));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Some modules of which each uses the next, and the last one is the first.
fn circle(uses: &Uses) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    uses.keys().find_map(|module| visit(module, uses, &mut Vec::new(), &mut done))
}

fn visit<'u>(
    module: &'u str,
    uses: &'u Uses,
    path: &mut Vec<&'u str>,
    done: &mut BTreeSet<&'u str>,
) -> Option<Vec<String>> {
    if let Some(at) = path.iter().position(|earlier| *earlier == module) {
        let circle = path.iter().skip(at).chain([&module]);
        return Some(circle.map(|module| (*module).to_owned()).collect());
    }
    let below = uses.get(module)?;
    if !done.insert(module) {
        return None;
    }
    path.push(module);
    let found = below.iter().filter(|other| *other != module).find_map(|other| visit(other, uses, path, done));
    path.pop();
    found
}
