//! Cycles of effects that could grant without end: using a chest may not lead back to that chest.
//!
//! Every cycle of items whose uses grant each other is refused, whatever the policies and quantities
//! on it. Some would lose pieces on each round, but to tell those from the ones that gain, one would
//! have to weigh all uses that meet on the cycle against each other. An item that is kept when used
//! (`"consume": 0`) and grants something that leads nowhere is no cycle: each of its uses is a job
//! that somebody may submit.

use std::collections::HashMap;
use std::slice;

use super::references::{Kind, Reference};
use crate::domain::ItemId;
use crate::json::Faults;

/// Of a longer cycle only its first items are named.
const MAX_NAMED_ITEMS: usize = 12;

/// How far the walk is with an item.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It is on the path from the start to here.
    OnPath,
    /// All that its use leads to was walked.
    Done,
}

/// Notes each grant that closes a cycle: without those there would be none.
///
/// A depth-first walk with its own stack, since the depth is the document's to choose. Each item and
/// each grant is walked once; it stops when the faults are full.
pub(super) fn check(references: &[Reference], faults: &mut Faults) {
    let grants = grants_by_item(references);
    let grants_of = |item: &ItemId| grants.get(item).map(Vec::as_slice).unwrap_or_default().iter();
    let mut progress: HashMap<&ItemId, Progress> = HashMap::with_capacity(grants.len());
    for start in references.iter().filter_map(|reference| reference.from.as_ref()) {
        if progress.contains_key(start) {
            continue;
        }
        progress.insert(start, Progress::OnPath);
        let mut path: Vec<(&ItemId, slice::Iter<'_, &Reference>)> = vec![(start, grants_of(start))];
        while let Some((item, rest)) = path.last_mut() {
            let Some(grant) = rest.next() else {
                progress.insert(*item, Progress::Done);
                path.pop();
                continue;
            };
            match progress.get(&grant.to) {
                Some(Progress::Done) => {}
                Some(Progress::OnPath) => {
                    let cycle: Vec<_> =
                        path.iter().map(|(item, _)| *item).skip_while(|item| **item != grant.to).collect();
                    faults.add(grant.at.clone(), format!("could grant without end: {}", name(&cycle)));
                    if faults.as_slice().len() >= Faults::MAX {
                        return;
                    }
                }
                None => {
                    progress.insert(&grant.to, Progress::OnPath);
                    path.push((&grant.to, grants_of(&grant.to)));
                }
            }
        }
    }
}

fn grants_by_item(references: &[Reference]) -> HashMap<&ItemId, Vec<&Reference>> {
    let mut grants: HashMap<&ItemId, Vec<&Reference>> = HashMap::new();
    for reference in references.iter().filter(|reference| reference.kind == Kind::Grants) {
        if let Some(from) = &reference.from {
            grants.entry(from).or_default().push(reference);
        }
    }
    grants
}

/// `a → b → a`.
fn name(cycle: &[&ItemId]) -> String {
    let mut names: Vec<&str> = cycle.iter().take(MAX_NAMED_ITEMS).map(|item| item.as_str()).collect();
    if cycle.len() > MAX_NAMED_ITEMS {
        names.push("…");
    }
    names.extend(cycle.first().map(|item| item.as_str()));
    names.join(" → ")
}
