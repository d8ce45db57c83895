use std::fs;
use std::path::Path;

use super::*;
use crate::workspace::{Crate, Workspace};

/// A crate of these files.
fn written(files: &[(&str, &str)]) -> (tempfile::TempDir, Workspace) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let roots = vec![dir.path().join("lib.rs")];
    let member = Crate { name: "sample".to_owned(), roots, dependencies: std::collections::BTreeSet::new() };
    let workspace = Workspace { root: Path::new(dir.path()).to_path_buf(), crates: vec![member] };
    (dir, workspace)
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    let (_dir, workspace) = written(files);
    faults(&workspace, &[]).unwrap()
}

#[test]
fn modules_that_import_each_other_are_told_with_the_imports() {
    let found = found(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B;\npub struct A;"),
        ("b.rs", "pub struct B;\nfn b() { crate::c::c(); }"),
        ("c.rs", "pub fn c() { println!(\"{}\", crate::a::name()); }"),
    ]);
    assert_eq!(
        found,
        ["modules of sample import each other in a circle: in the top: a, b, c\n    \
          a -> b: a.rs:1: crate::b::B\n    b -> c: b.rs:2: crate::c::c\n    c -> a: c.rs:1: crate::a::name"]
    );
}

#[test]
fn one_way_is_no_circle_nor_are_a_folder_and_what_is_in_it() {
    let files = [
        ("lib.rs", "mod a; mod b;\npub use a::A;"),
        ("a/mod.rs", "mod part;\npub use part::A;\npub(crate) const N: u8 = part::N;"),
        ("a/part.rs", "pub struct A;\npub(super) const N: u8 = super::M;"),
        ("b.rs", "use crate::A;"),
    ];
    assert_eq!(found(&files), Vec::<String>::new());
}

#[test]
fn a_name_counts_for_the_module_that_defines_it() {
    // Both go by the names that their folder gives on.
    let found = found(&[
        ("lib.rs", "mod shop;"),
        ("shop/mod.rs", "mod till;\nmod stock;\npub use till::Till;\npub use stock::*;"),
        ("shop/till.rs", "use super::Stock;\npub struct Till(Stock);"),
        ("shop/stock.rs", "use crate::shop;\npub struct Stock;\nfn till() -> Option<shop::Till> { None }"),
    ]);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("in shop: stock, till\n    stock -> till: shop/stock.rs:3: shop::Till"), "{found:?}");
}

#[test]
fn tests_do_not_count() {
    let files = [
        ("lib.rs", "mod a; mod b;\n#[cfg(test)] mod tests;"),
        ("a.rs", "use crate::b::B;\npub struct A;"),
        (
            "b.rs",
            "pub struct B;\n#[cfg(test)] mod tests { use crate::a::A; }\nimpl B { #[cfg(test)] fn a() { crate::a::a() } }",
        ),
    ];
    assert_eq!(found(&files), Vec::<String>::new());
}

#[test]
fn the_list_of_known_circles_only_shrinks() {
    let (_dir, workspace) = written(&[
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B;"),
        ("b.rs", "use crate::a::A;"),
        ("c.rs", ""),
    ]);
    let known = |modules| [KnownCircle { crate_name: "sample", folder: "", modules }];
    assert_eq!(faults(&workspace, &known(&["a", "b"])).unwrap(), Vec::<String>::new());
    assert_eq!(faults(&workspace, &known(&["a"])).unwrap().len(), 1);
    let more = faults(&workspace, &known(&["a", "b", "c"])).unwrap();
    assert_eq!(more, ["c of sample is in no circle: take it off KNOWN_CIRCLES"]);
}
