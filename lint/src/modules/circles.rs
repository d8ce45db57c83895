//! Circles among the modules of each folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::reading::Tree;
use super::references::Reference;
use super::resolving::resolve;

/// Of each module of a folder the modules beside it that it refers to, each with the first place where it does.
type Graph<'t> = BTreeMap<&'t str, BTreeMap<String, &'t Reference>>;

/// Modules of one folder each of which leads to every other one.
#[derive(Debug)]
pub(crate) struct Circle {
    /// The folder's module path, `a::b`; empty for the crate's top.
    pub(crate) folder: String,
    pub(crate) modules: BTreeSet<String>,
    /// The references that make it, one for each two modules, for people.
    references: Vec<String>,
}

impl fmt::Display for Circle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modules: Vec<&str> = self.modules.iter().map(String::as_str).collect();
        let place = if self.folder.is_empty() { "the top" } else { &self.folder };
        write!(formatter, "in {place}: {}", modules.join(", "))?;
        self.references.iter().try_for_each(|reference| write!(formatter, "\n    {reference}"))
    }
}

/// All circles of a crate.
pub(crate) fn of(tree: &Tree) -> Vec<Circle> {
    let mut folders: BTreeMap<&[String], Graph<'_>> = BTreeMap::new();
    for (from, module) in tree.modules() {
        for reference in &module.references {
            let Some(to) = resolve(tree, from, &reference.path) else { continue };
            let shared = from.iter().zip(&to).take_while(|(mine, theirs)| mine == theirs).count();
            // One of them lies in the other where either has no more names.
            let (Some((folder, [mine, ..])), Some(theirs)) = (from.split_at_checked(shared), to.get(shared)) else {
                continue;
            };
            let used = folders.entry(folder).or_default().entry(mine).or_default();
            used.entry(theirs.clone()).or_insert(reference);
        }
    }
    folders.iter().flat_map(|(folder, graph)| circles_of(&folder.join("::"), graph)).collect()
}

fn circles_of(folder: &str, graph: &Graph<'_>) -> Vec<Circle> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|module| (*module, reached(graph, module))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|reached| reached.contains(to));
    let mut circles: Vec<Circle> = Vec::new();
    for module in graph.keys().filter(|module| leads(module, module)) {
        if circles.iter().any(|circle| circle.modules.contains(*module)) {
            continue;
        }
        let in_circle = graph.keys().filter(|other| leads(module, other) && leads(other, module));
        let modules: BTreeSet<String> = in_circle.map(|other| (*other).to_owned()).collect();
        let references = references(graph, &modules);
        circles.push(Circle { folder: folder.to_owned(), modules, references });
    }
    circles
}

/// The modules that this one leads to.
fn reached<'g>(graph: &'g Graph<'_>, from: &str) -> BTreeSet<&'g str> {
    let mut reached = BTreeSet::new();
    let mut left = vec![from];
    while let Some(module) = left.pop() {
        for next in graph.get(module).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next.as_str()) {
                left.push(next);
            }
        }
    }
    reached
}

fn references(graph: &Graph<'_>, modules: &BTreeSet<String>) -> Vec<String> {
    let mut references = Vec::new();
    for (from, used) in graph.iter().filter(|(from, _)| modules.contains(**from)) {
        for (to, reference) in used.iter().filter(|(to, _)| modules.contains(*to)) {
            references.push(format!("{from} -> {to}: {reference}"));
        }
    }
    references
}
