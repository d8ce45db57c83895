//! The order of one shard's entries, of both classes, and of its delayed jobs that are due: pure.
//!
//! A high entry notes, when it is appended, the last normal entry that there was (`after`). So of one player's entries,
//! exactly those normal ones with an id up to `after` came before it.
//!
//! A delayed job takes its place at the millisecond when it is due: before all that was appended then or later, behind
//! all that was appended earlier, and among those that are due at once as they were accepted. There it is a normal entry
//! or a high one, as its class says.

use std::collections::{HashMap, VecDeque};

use satchel_model::operations::Priority;

use super::entry::EntryId;

/// A normal entry, as far as the order hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Normal {
    pub(super) id: EntryId,
    /// Whose job it says it is; an entry that does not say is no job, and stands in nobody's way.
    pub(super) user: Option<String>,
}

/// A high entry, as far as the order hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct High {
    pub(super) id: EntryId,
    pub(super) after: EntryId,
    pub(super) user: Option<String>,
}

/// A delayed job that is due, as far as the order hangs on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// Since when, in milliseconds, by the queue's clock.
    pub(super) at_ms: u64,
    pub(super) class: Priority,
    pub(super) user: Option<String>,
}

/// What was read of a shard at one moment: the beginnings of both streams, and of what is due.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) normals: Vec<Normal>,
    /// Whether no normal entry comes behind them.
    pub(super) has_all_normals: bool,
    pub(super) highs: Vec<High>,
    /// Whether no high entry comes behind them.
    pub(super) has_all_highs: bool,
    pub(super) dues: Vec<Due>,
    /// Whether no due job comes behind them.
    pub(super) has_all_dues: bool,
}

/// What to apply next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The normal entry of this index.
    Normal(usize),
    /// The high entry of this index.
    High(usize),
    /// The due job of this index.
    Due(usize),
    /// The normal entry of this id, from behind what was read.
    Pulled(EntryId),
}

/// An entry that overtakes other players' entries, and how far its own player's come before it.
struct Urgent<'s> {
    turn: Turn,
    user: Option<&'s str>,
    place: Place,
    /// Whether something that comes before it may not have been read.
    is_uncertain: bool,
}

/// A place in a player's order: behind the normal entries up to an id, and behind so many of the due jobs.
#[derive(Clone, Copy)]
struct Place {
    normals: EntryId,
    dues: usize,
}

/// Of a player with urgent entries: what has not had its turn, of what was read; all of class normal.
#[derive(Default)]
struct Own {
    normals: VecDeque<usize>,
    dues: VecDeque<usize>,
    /// Up to here the normal entries behind what was read have had theirs.
    pulled_to: EntryId,
    /// Where the first urgent entry stands that has to wait: what comes behind it waits as well.
    waits_at: Option<Place>,
}

impl High {
    /// What was due by this millisecond came before it.
    fn moment_ms(&self) -> u64 {
        self.id.0.max(self.after.0)
    }
}

impl Due {
    /// The last id that a normal entry before it can have.
    fn after(&self) -> EntryId {
        self.at_ms.checked_sub(1).map_or_else(EntryId::default, |before| EntryId(before, u64::MAX))
    }
}

impl Standing {
    /// The last normal entry that was read.
    pub(super) fn last_normal(&self) -> EntryId {
        self.normals.last().map(|normal| normal.id).unwrap_or_default()
    }

    /// How far the normal entries behind those that were read must be known, to place all urgent ones.
    pub(super) fn reach(&self) -> Option<EntryId> {
        let placeable = self.urgent().into_iter().filter(|urgent| urgent.user.is_some() && !urgent.is_uncertain);
        let farthest = placeable.map(|urgent| urgent.place.normals).max();
        farthest.filter(|after| !self.has_all_normals && *after > self.last_normal())
    }

    /// The order in which to apply them, of which any first part may be taken. It is never empty if anything waits.
    ///
    /// `earlier(user, from, to)` tells that player's normal entries behind `from`, up to and with `to`; `None` if they
    /// are not known so far. Then the urgent entry that they come before has to wait until they are, or until everything
    /// before it is done.
    pub(super) fn order(&self, earlier: impl Fn(&str, EntryId, EntryId) -> Option<Vec<EntryId>>) -> Vec<Turn> {
        let mut turns = Vec::with_capacity(self.normals.len() + self.highs.len() + self.dues.len());
        let urgent = self.urgent();
        let mut owns = self.owns(&urgent);
        for Urgent { turn, user, place, is_uncertain } in urgent {
            let Some((user, own)) = user.and_then(|user| Some((user, owns.get_mut(user)?))) else {
                turns.push(turn);
                continue;
            };
            if own.waits_at.is_some() {
                continue;
            }
            let from = own.pulled_to.max(self.last_normal());
            let behind = if is_uncertain {
                None
            } else if self.has_all_normals || place.normals <= from {
                Some(Vec::new())
            } else {
                earlier(user, from, place.normals)
            };
            let Some(behind) = behind else {
                own.waits_at = Some(place);
                continue;
            };
            self.take_before(own, place, behind, &mut turns);
            own.pulled_to = place.normals.max(from);
            turns.push(turn);
        }
        self.take_rest(&owns, &mut turns);
        if turns.is_empty() {
            // Only where the queue's clock was set back. The shard must not stand still.
            let due = self.dues.first().map(|_| Turn::Due(0));
            turns.extend(due.or_else(|| self.normals.first().map(|_| Turn::Normal(0))));
        }
        turns
    }

    /// What overtakes, in order.
    fn urgent(&self) -> Vec<Urgent<'_>> {
        let last_high_ms = self.highs.last().map_or(0, High::moment_ms);
        let mut dues = self.dues.iter().enumerate().filter(|(_, due)| due.class == Priority::High).peekable();
        let mut urgent = Vec::new();
        let mut highs = self.highs.iter().enumerate().peekable();
        loop {
            let moment_ms = highs.peek().map_or(u64::MAX, |(_, high)| high.moment_ms());
            if let Some((index, due)) = dues.next_if(|(_, due)| due.at_ms <= moment_ms) {
                urgent.push(Urgent {
                    turn: Turn::Due(index),
                    user: due.user.as_deref(),
                    place: Place { normals: due.after(), dues: index },
                    is_uncertain: !self.has_all_highs && due.at_ms > last_high_ms,
                });
            } else if let Some((index, high)) = highs.next() {
                let dues = self.dues.partition_point(|due| due.at_ms <= moment_ms);
                urgent.push(Urgent {
                    turn: Turn::High(index),
                    user: high.user.as_deref(),
                    place: Place { normals: high.after, dues },
                    is_uncertain: !self.has_all_dues && dues == self.dues.len(),
                });
            } else {
                return urgent;
            }
        }
    }

    /// The players that have urgent entries, with their others.
    fn owns<'s>(&'s self, urgent: &[Urgent<'s>]) -> HashMap<&'s str, Own> {
        let mut owns: HashMap<&str, Own> =
            urgent.iter().filter_map(|urgent| Some((urgent.user?, Own::default()))).collect();
        if owns.is_empty() {
            return owns;
        }
        for (index, normal) in self.normals.iter().enumerate() {
            if let Some(own) = normal.user.as_deref().and_then(|user| owns.get_mut(user)) {
                own.normals.push_back(index);
            }
        }
        for (index, due) in self.dues.iter().enumerate().filter(|(_, due)| due.class == Priority::Normal) {
            if let Some(own) = due.user.as_deref().and_then(|user| owns.get_mut(user)) {
                own.dues.push_back(index);
            }
        }
        owns
    }

    /// Gives a turn to all that its player has before a place, `behind` being what lies behind what was read.
    fn take_before(&self, own: &mut Own, place: Place, behind: Vec<EntryId>, turns: &mut Vec<Turn>) {
        let mut normals = Vec::new();
        while let Some(index) = own.normals.pop_front_if(|index| self.id_of(*index) <= place.normals) {
            normals.push((self.id_of(index), Turn::Normal(index)));
        }
        normals.extend(behind.into_iter().map(|id| (id, Turn::Pulled(id))));
        for (id, turn) in normals {
            while let Some(due) = own.dues.pop_front_if(|due| *due < place.dues && self.is_due_by(*due, id.0)) {
                turns.push(Turn::Due(due));
            }
            turns.push(turn);
        }
        while let Some(due) = own.dues.pop_front_if(|due| *due < place.dues) {
            turns.push(Turn::Due(due));
        }
    }

    /// Gives a turn to what nobody is in the way of.
    fn take_rest(&self, owns: &HashMap<&str, Own>, turns: &mut Vec<Turn>) {
        let (mut normals, mut dues) = (vec![false; self.normals.len()], vec![false; self.dues.len()]);
        for turn in &*turns {
            let taken = match turn {
                Turn::Normal(index) => normals.get_mut(*index),
                Turn::Due(index) => dues.get_mut(*index),
                Turn::High(_) | Turn::Pulled(_) => None,
            };
            if let Some(is_taken) = taken {
                *is_taken = true;
            }
        }
        let waits_at = |user: &Option<String>| owns.get(user.as_deref()?)?.waits_at;
        let (normal_limit, due_limit_ms) = self.limits();
        let dues = self.dues.iter().zip(dues).enumerate().filter(|(index, (due, is_taken))| {
            let is_open = !is_taken && due.class == Priority::Normal && due.at_ms <= due_limit_ms;
            is_open && waits_at(&due.user).is_none_or(|place| *index < place.dues)
        });
        let mut dues = dues.peekable();
        for (index, (normal, is_taken)) in self.normals.iter().zip(normals).enumerate() {
            while let Some((due, _)) = dues.next_if(|(_, (due, _))| due.at_ms <= normal.id.0) {
                turns.push(Turn::Due(due));
            }
            let is_open = !is_taken && normal.id <= normal_limit;
            if is_open && waits_at(&normal.user).is_none_or(|place| normal.id <= place.normals) {
                turns.push(Turn::Normal(index));
            }
        }
        turns.extend(dues.map(|(due, _)| Turn::Due(due)));
    }

    /// How far normal entries, and due jobs, are before everything that was not read.
    fn limits(&self) -> (EntryId, u64) {
        let (mut normals, mut dues_ms) = (EntryId::LAST, u64::MAX);
        if let Some(high) = self.highs.last().filter(|_| !self.has_all_highs) {
            (normals, dues_ms) = (high.after, high.moment_ms());
        }
        if let Some(due) = self.dues.last().filter(|_| !self.has_all_dues) {
            normals = normals.min(due.after());
        }
        if !self.has_all_normals {
            dues_ms = dues_ms.min(self.last_normal().0);
        }
        (normals, dues_ms)
    }

    fn id_of(&self, index: usize) -> EntryId {
        self.normals.get(index).map_or(EntryId::LAST, |normal| normal.id)
    }

    fn is_due_by(&self, index: usize, moment_ms: u64) -> bool {
        self.dues.get(index).is_some_and(|due| due.at_ms <= moment_ms)
    }
}
