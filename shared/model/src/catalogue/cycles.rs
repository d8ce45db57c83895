//! Cycles of effects that could grant without end: using a chest may not lead back to that chest.
//!
//! Every cycle of items whose uses grant each other, directly or by a rule for an event that a use
//! emits, is refused, whatever the policies and quantities on it. Some would lose pieces on each round, but to tell those from the ones that gain, one would
//! have to weigh all uses that meet on the cycle against each other. An item that is kept when used
//! (`"consume": 0`) and grants something that leads nowhere is no cycle: each of its uses is a job
//! that somebody may submit.

use std::collections::HashMap;
use std::slice;

use satchel_forms::Faults;

use super::references::{Kind, Reference, Thing};

/// Of a longer cycle only so many are named.
const MAX_NAMED: usize = 12;

/// How far the walk is with a thing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It is on the path from the start to here.
    OnPath,
    /// All that it leads to was walked.
    Done,
}

/// Notes each grant that closes a cycle: without those there would be none.
///
/// A depth-first walk with its own stack, since the depth is the document's to choose. Each item and
/// each grant is walked once; it stops when the faults are full.
pub(super) fn check(references: &[Reference], faults: &mut Faults) {
    let gifts = gifts_by_giver(references);
    let gifts_of = |giver: &Thing| gifts.get(giver).map(Vec::as_slice).unwrap_or_default().iter();
    let mut progress: HashMap<&Thing, Progress> = HashMap::with_capacity(gifts.len());
    for start in references.iter().filter_map(|reference| reference.from.as_ref()) {
        if progress.contains_key(start) {
            continue;
        }
        progress.insert(start, Progress::OnPath);
        let mut path: Vec<(&Thing, slice::Iter<'_, &Reference>)> = vec![(start, gifts_of(start))];
        while let Some((giver, rest)) = path.last_mut() {
            let Some(gift) = rest.next() else {
                progress.insert(*giver, Progress::Done);
                path.pop();
                continue;
            };
            match progress.get(&gift.to) {
                Some(Progress::Done) => {}
                Some(Progress::OnPath) => {
                    let cycle: Vec<_> =
                        path.iter().map(|(giver, _)| *giver).skip_while(|giver| **giver != gift.to).collect();
                    faults.add(gift.at.clone(), format!("could grant without end: {}", name(&cycle)));
                    if faults.as_slice().len() >= Faults::MAX {
                        return;
                    }
                }
                None => {
                    progress.insert(&gift.to, Progress::OnPath);
                    path.push((&gift.to, gifts_of(&gift.to)));
                }
            }
        }
    }
}

fn gifts_by_giver(references: &[Reference]) -> HashMap<&Thing, Vec<&Reference>> {
    let mut gifts: HashMap<&Thing, Vec<&Reference>> = HashMap::new();
    for reference in references.iter().filter(|reference| reference.kind == Kind::Gives) {
        if let Some(from) = &reference.from {
            gifts.entry(from).or_default().push(reference);
        }
    }
    gifts
}

/// `a → b → a`.
fn name(cycle: &[&Thing]) -> String {
    let mut names: Vec<String> = cycle.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    if cycle.len() > MAX_NAMED {
        names.push("…".to_owned());
    }
    names.extend(cycle.first().map(ToString::to_string));
    names.join(" → ")
}
