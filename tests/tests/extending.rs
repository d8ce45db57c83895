//! `docs/EXTENDING.md`, done to a copy of the sources: what it says must build, and its tests must pass.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What of the sources the copy needs not.
const LEFT_OUT: [&str; 5] = ["target", ".git", "node_modules", ".satchel", "scratch"];

/// One thing that the page says.
#[derive(Debug)]
struct Change {
    path: String,
    /// The line after which it goes; `None` for a new file.
    after: Option<String>,
    text: String,
}

#[test]
fn what_the_page_says_builds_and_its_tests_pass() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let copy = tempfile::tempdir().unwrap();
    copy_tree(sources, copy.path());
    let changes = changes(&fs::read_to_string(sources.join("docs/EXTENDING.md")).unwrap());
    assert_eq!(
        changes.iter().filter(|change| change.after.is_none()).count(),
        5,
        "an operation, an event, a use rule, a function, a route"
    );
    for change in &changes {
        make(copy.path(), change);
    }
    leave_out_other_tests(copy.path(), &changes);
    let target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    link_others(target.path());
    // With the features and the environment that they were built with.
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
            cargo.env_remove(name);
        }
    }
    let output = cargo
        .args(["test", "--offline", "--workspace", "--tests", "--", "discarded", "volley"])
        .env("CARGO_TARGET_DIR", target.path())
        .env("CARGO_INCREMENTAL", "0")
        .current_dir(copy.path())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    for name in [
        "what_is_discarded_is_gone_and_nobody_discards_more_than_there_is",
        "a_discarded_item_is_described_by_a_schema",
        "a_volley_is_read_and_written",
        "every_ten_discarded_pieces_are_a_pinch_of_dust",
        "the_discarded_item_recycler_can_be_registered",
        "pieces_to_be_discarded_are_read_and_counted",
    ] {
        assert!(said.contains(&format!("{name} ... ok")), "{name} did not run:\n{said}");
    }
}

/// Puts what was built of other people's crates into another target directory as well: it need not be built again. What is built
/// of the copy lies apart, else the next build of these sources would have to begin anew.
fn link_others(target: &Path) {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).unwrap();
    for kind in ["build", "deps", ".fingerprint"] {
        link_tree(&profile.join(kind), &target.join(profile.file_name().unwrap()).join(kind));
    }
}

fn link_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if name.to_string_lossy().contains("satchel") {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            link_tree(&entry.path(), &to.join(name));
        } else if let Err(error) = fs::hard_link(entry.path(), to.join(name)) {
            // Others build beside this test: what they have taken away is not of crates that are needed here.
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let target = to.join(&name);
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_tree(&entry.path(), &target);
        } else if kind.is_file() {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Leaves the unit tests of the crates that the page touches, and no other tests: to build these is half of the time. (By
/// manifest: for a choice of crates, cargo would build all that they use with other features once more.)
fn leave_out_other_tests(copy: &Path, changes: &[Change]) {
    let root = fs::read_to_string(copy.join("Cargo.toml")).unwrap();
    let paths = root.lines().filter_map(|line| line.strip_prefix("satchel-")?.split('"').nth(1));
    for path in paths.chain(["bench", "cli", "lint", "tests"]) {
        let manifest = copy.join(path).join("Cargo.toml");
        let mut text = fs::read_to_string(&manifest).unwrap();
        text = text.replacen("[package]\n", "[package]\nautotests = false\n", 1);
        if !text.contains("test = false") {
            text = text.replace("[[bin]]\n", "[[bin]]\ntest = false\n");
        }
        let is_touched = changes.iter().any(|change| change.path.starts_with(&format!("{path}/src/")));
        if !is_touched && !text.contains("[lib]") && copy.join(path).join("src/lib.rs").exists() {
            text.push_str("\n[lib]\ntest = false\n");
        }
        fs::write(&manifest, text).unwrap();
    }
}

/// The page's code blocks, each with the line before it that says where it goes.
fn changes(page: &str) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut said = "";
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line == "```rust" {
            let text: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            changes.push(change(said, text.join("\n") + "\n"));
        } else if !line.is_empty() {
            said = line;
        }
    }
    changes
}

/// `` `path`, a new file: `` or `` `path`, after `line`: ``
fn change(said: &str, text: String) -> Change {
    let parts: Vec<&str> = said.split('`').collect();
    match parts[..] {
        ["", path, ", a new file:"] => Change { path: path.to_owned(), after: None, text },
        ["", path, ", after ", line, ":"] => Change { path: path.to_owned(), after: Some(line.to_owned()), text },
        _ => panic!("where does this block go? {said:?}"),
    }
}

fn make(copy: &Path, change: &Change) {
    let path: PathBuf = copy.join(&change.path);
    let Some(after) = &change.after else {
        assert!(!path.exists(), "{} is not new", change.path);
        return fs::write(&path, &change.text).unwrap();
    };
    let file = fs::read_to_string(&path).unwrap();
    let mut changed = String::new();
    let mut places = 0;
    for line in file.lines() {
        changed.push_str(line);
        changed.push('\n');
        if line.trim() == after {
            changed.push_str(&change.text);
            places += 1;
        }
    }
    assert_eq!(places, 1, "{} has {places} lines {after:?}", change.path);
    fs::write(&path, changed).unwrap();
}
