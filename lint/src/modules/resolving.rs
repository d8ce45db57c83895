//! What a path stands for.

use super::reading::Tree;

/// How many imports of imports are followed.
const MAX_STEPS: usize = 16;

/// Where a path leads.
struct End {
    /// The module in which what it names is defined.
    module: Vec<String>,
    /// The path names that module itself.
    is_whole: bool,
}

/// The module in which is defined what `path`, written in the module `from`, stands for; none if it is no path of this crate.
pub(crate) fn resolve(tree: &Tree, from: &[String], path: &[String]) -> Option<Vec<String>> {
    follow(tree, from, path, MAX_STEPS).map(|end| end.module)
}

fn follow(tree: &Tree, from: &[String], path: &[String], steps: usize) -> Option<End> {
    let mut at = from;
    let mut rest = path;
    // Only what begins so can name a thing that the module does not have.
    let mut is_anchored = false;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "crate" => at = &[],
            "self" => {}
            "super" => (_, at) = at.split_last()?,
            _ => break,
        }
        is_anchored = true;
        rest = others;
    }
    let mut end = End { module: at.to_vec(), is_whole: true };
    for name in rest {
        if !end.is_whole {
            break;
        }
        match step(tree, &end.module, name, steps) {
            Some(next) => end = next,
            None if is_anchored => end.is_whole = false,
            None => return None,
        }
        is_anchored = true;
    }
    Some(end)
}

/// What `name` stands for in the module `at`.
fn step(tree: &Tree, at: &[String], name: &str, steps: usize) -> Option<End> {
    let child: Vec<String> = at.iter().cloned().chain([name.to_owned()]).collect();
    if tree.get(&child).is_some() {
        return Some(End { module: child, is_whole: true });
    }
    let module = tree.get(at)?;
    if module.items.contains(name) {
        return Some(End { module: at.to_vec(), is_whole: false });
    }
    let steps = steps.checked_sub(1)?;
    if let Some(import) = module.imports.get(name) {
        return follow(tree, at, import, steps);
    }
    let globs = module.globs.iter().filter_map(|glob| follow(tree, at, glob, steps));
    let mut named = globs.filter(|end| end.is_whole && end.module != at);
    named.find_map(|end| step(tree, &end.module, name, steps))
}
