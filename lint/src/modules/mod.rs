//! Circles between modules: of each folder, and of each crate's top, the modules that import each other.

mod circles;
mod reading;
mod references;
mod resolving;

use anyhow::Result;

use self::circles::Circle;
use self::reading::Tree;
use crate::workspace::Workspace;

/// Modules of one folder that are known to be in a circle.
#[derive(Debug)]
pub(crate) struct KnownCircle {
    /// The crate, without the project's name.
    pub(crate) crate_name: &'static str,
    /// The folder's module path, `a::b`; empty for the crate's top.
    pub(crate) folder: &'static str,
    /// The modules of the folder.
    pub(crate) modules: &'static [&'static str],
}

/// A circle that is not known, with the imports that make it; a known one that is gone.
///
/// # Errors
/// If a source file cannot be read or parsed.
pub(crate) fn faults(workspace: &Workspace, known: &[KnownCircle]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for member in &workspace.crates {
        for root in &member.roots {
            let circles = circles::of(&Tree::read(root, &workspace.root)?);
            found.extend(circles.into_iter().map(|circle| (member.name.as_str(), circle)));
        }
    }
    let mut faults = new(&found, known);
    faults.extend(gone(&found, known));
    Ok(faults)
}

/// Circles of which a module is not known.
fn new(found: &[(&str, Circle)], known: &[KnownCircle]) -> Vec<String> {
    let is_known = |name: &str, circle: &Circle, module: &String| {
        let mut entries = known.iter().filter(|entry| entry.crate_name == name && entry.folder == circle.folder);
        entries.any(|entry| entry.modules.contains(&module.as_str()))
    };
    let new = found.iter().filter(|(name, circle)| !circle.modules.iter().all(|module| is_known(name, circle, module)));
    new.map(|(name, circle)| format!("modules of {name} import each other in a circle: {circle}")).collect()
}

/// Known modules that are in no circle.
fn gone(found: &[(&str, Circle)], known: &[KnownCircle]) -> Vec<String> {
    let mut faults = Vec::new();
    for entry in known {
        let circles =
            || found.iter().filter(|(name, circle)| *name == entry.crate_name && circle.folder == entry.folder);
        for module in entry.modules {
            if !circles().any(|(_, circle)| circle.modules.contains(*module)) {
                let KnownCircle { crate_name, folder, .. } = entry;
                let path = if folder.is_empty() { (*module).to_owned() } else { format!("{folder}::{module}") };
                faults.push(format!("{path} of {crate_name} is in no circle: take it off KNOWN_CIRCLES"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests;
