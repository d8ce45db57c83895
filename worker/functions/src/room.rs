//! A worker's slots for runs, function by function.
//!
//! A run that waits for its receiver costs a worker little: an event, a task, a connection. So slots bound the memory, and must
//! not become what fast receivers wait for. Each function has a share that no other can take, however long the others' runs
//! last. Functions with targets are no part of that: their targets are few, each has slots of its own, and all of these fit.

use std::collections::HashMap;

use satchel_model::ids::FunctionId;

use crate::{KeyOf, Registry};

/// Most runs at once of a function with targets in one worker.
const MAX_TARGETED_RUNS: usize = 400;

/// See the module.
pub(crate) struct Room {
    /// Most runs at once of all functions without targets.
    max_runs: usize,
    /// Most runs at once that each of those would have.
    sharing: HashMap<FunctionId, usize>,
    /// The same of those with targets.
    targeted: HashMap<FunctionId, usize>,
}

impl Room {
    /// The room for the functions of a registry.
    pub(crate) fn new(registry: &Registry, max_runs: usize) -> Self {
        let mut room = Self { max_runs, sharing: HashMap::new(), targeted: HashMap::new() };
        for registered in registry.iter() {
            let limits = &registered.policy.limits;
            let most = usize::try_from(limits.concurrency).unwrap_or(usize::MAX);
            if limits.key == KeyOf::Target {
                room.targeted.insert(registered.id.clone(), most.min(MAX_TARGETED_RUNS));
            } else {
                room.sharing.insert(registered.id.clone(), most);
            }
        }
        room
    }

    /// Free slots of a function, where so many runs of each go on.
    pub(crate) fn left(&self, function_id: &FunctionId, running: &HashMap<&FunctionId, usize>) -> usize {
        let of = |id: &FunctionId| running.get(id).copied().unwrap_or_default();
        if let Some(most) = self.targeted.get(function_id) {
            return most.saturating_sub(of(function_id));
        }
        // One for each, however few there may be.
        let max_runs = self.max_runs.max(self.sharing.len());
        let share = max_runs / self.sharing.len().max(1);
        let others = self.sharing.iter().filter(|(id, _)| *id != function_id);
        let kept: usize = others.map(|(id, most)| of(id).max(share.min(*most))).sum();
        max_runs.saturating_sub(kept).saturating_sub(of(function_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> FunctionId {
        FunctionId::parse(text).unwrap()
    }

    fn room(max_runs: usize, sharing: &[(&str, usize)], targeted: &[(&str, usize)]) -> Room {
        let map = |functions: &[(&str, usize)]| functions.iter().map(|(name, most)| (id(name), *most)).collect();
        Room { max_runs, sharing: map(sharing), targeted: map(targeted) }
    }

    #[test]
    fn a_function_whose_runs_last_leaves_each_other_one_its_share() {
        let ids = ["a-b-c", "a-b-d", "a-b-e"].map(id);
        let room_of = |most| room(32, &[("a-b-c", most), ("a-b-d", most), ("a-b-e", most)], &[]);
        let none = HashMap::new();
        assert_eq!(room(32, &[("a-b-c", 16)], &[]).left(&ids[0], &none), 32, "alone it has all");
        assert_eq!(room_of(16).left(&ids[0], &none), 12, "a third is ten");
        assert_eq!(room_of(2).left(&ids[0], &none), 28, "who never has more than two is left no more");
        let full = HashMap::from([(&ids[0], 12), (&ids[1], 10)]);
        assert_eq!([0, 1, 2].map(|n| room_of(16).left(&ids[n], &full)), [0, 0, 10]);
        assert_eq!(room(1, &[("a-b-c", 1), ("a-b-d", 1)], &[]).left(&ids[1], &HashMap::from([(&ids[0], 1)])), 1);
    }

    #[test]
    fn what_has_targets_takes_nothing_from_others_nor_they_from_it() {
        let (hooks, other) = (id("a-b-c"), id("a-b-d"));
        let room = room(32, &[("a-b-d", 64)], &[("a-b-c", MAX_TARGETED_RUNS)]);
        let all = HashMap::from([(&hooks, 399), (&other, 32)]);
        assert_eq!((room.left(&hooks, &all), room.left(&other, &all)), (1, 0));
        assert_eq!(room.left(&other, &HashMap::from([(&hooks, MAX_TARGETED_RUNS)])), 32);
    }
}
