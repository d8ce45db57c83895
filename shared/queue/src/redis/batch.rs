//! Commands that are sent in one go.

use std::collections::BTreeMap;

use redis::Cmd;

use satchel_model::ids::Shard;

/// Commands of which each has its own answer. One server takes them in the order given. A cluster takes them apart by
/// shard, those of one shard in order; and those that go later after all others were done.
#[derive(Default, Clone)]
pub(super) struct Batch(Vec<Step>);

#[derive(Clone)]
struct Step {
    /// Whose keys it names; none for a command without keys.
    shard: Option<Shard>,
    goes_later: bool,
    command: Cmd,
}

/// Commands of one slot, with their places in the batch.
pub(super) type Group = Vec<(usize, Cmd)>;

impl Batch {
    /// For so many commands.
    pub(super) fn with_capacity(commands: usize) -> Self {
        Self(Vec::with_capacity(commands))
    }

    /// Adds a command on a shard's keys.
    pub(super) fn add(&mut self, shard: Shard, command: Cmd) {
        self.0.push(Step { shard: Some(shard), goes_later: false, command });
    }

    /// Adds a command on a shard's keys that must not come before those of other shards.
    pub(super) fn add_later(&mut self, shard: Shard, command: Cmd) {
        self.0.push(Step { shard: Some(shard), goes_later: true, command });
    }

    /// Adds a command without keys.
    pub(super) fn add_keyless(&mut self, command: Cmd) {
        self.0.push(Step { shard: None, goes_later: false, command });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// In the order given.
    pub(super) fn into_commands(self) -> impl Iterator<Item = Cmd> {
        self.0.into_iter().map(|step| step.command)
    }

    /// By shard: those to send at once, those to send later.
    pub(super) fn into_groups(self) -> [Vec<Group>; 2] {
        let mut groups: [BTreeMap<Option<Shard>, Group>; 2] = Default::default();
        let [first, later] = &mut groups;
        for (place, Step { shard, goes_later, command }) in self.0.into_iter().enumerate() {
            let phase = if goes_later { &mut *later } else { &mut *first };
            phase.entry(shard).or_default().push((place, command));
        }
        groups.map(|phase| phase.into_values().collect())
    }
}
