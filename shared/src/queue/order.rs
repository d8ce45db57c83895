//! The order of one shard's entries, of both classes: pure.
//!
//! A high entry notes, when it is appended, the last normal entry that there was (`after`). So of one player's entries,
//! exactly those normal ones with an id up to `after` came before it.

use std::collections::{HashMap, HashSet, VecDeque};

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
    pub(super) after: EntryId,
    pub(super) user: Option<String>,
}

/// What was read of a shard at one moment: the beginnings of both streams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) normals: Vec<Normal>,
    /// Whether no normal entry comes behind them.
    pub(super) has_all_normals: bool,
    pub(super) highs: Vec<High>,
    /// Whether no high entry comes behind them.
    pub(super) has_all_highs: bool,
}

/// What to apply next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The normal entry of this index.
    Normal(usize),
    /// The high entry of this index.
    High(usize),
    /// The normal entry of this id, from behind what was read.
    Pulled(EntryId),
}

impl Standing {
    /// The last normal entry that was read.
    pub(super) fn last_normal(&self) -> EntryId {
        self.normals.last().map(|normal| normal.id).unwrap_or_default()
    }

    /// How far the normal entries behind those that were read must be known, to place all high entries.
    pub(super) fn reach(&self) -> Option<EntryId> {
        let afters = self.highs.iter().filter(|high| high.user.is_some()).map(|high| high.after);
        afters.max().filter(|after| !self.has_all_normals && *after > self.last_normal())
    }

    /// The order in which to apply them, of which any first part may be taken. It is never empty if anything waits.
    ///
    /// `earlier(user, from, to)` tells that player's normal entries behind `from`, up to and with `to`; `None` if they
    /// are not known so far. Then the high entry that they come before has to wait until they are, or until everything
    /// before it is done.
    pub(super) fn order(&self, earlier: impl Fn(&str, EntryId, EntryId) -> Option<Vec<EntryId>>) -> Vec<Turn> {
        let mut turns = Vec::with_capacity(self.normals.len() + self.highs.len());
        let mut is_taken = vec![false; self.normals.len()];
        let mut of_user = self.normals_of_high_users();
        let mut pulled_to: HashMap<&str, EntryId> = HashMap::new();
        let mut held = HashSet::new();
        for (index, high) in self.highs.iter().enumerate() {
            let Some(user) = high.user.as_deref() else {
                turns.push(Turn::High(index));
                continue;
            };
            if held.contains(user) {
                continue;
            }
            let from = pulled_to.get(user).copied().unwrap_or_default().max(self.last_normal());
            let behind = if self.has_all_normals || high.after <= from {
                Some(Vec::new())
            } else {
                earlier(user, from, high.after)
            };
            let Some(behind) = behind else {
                held.insert(user);
                continue;
            };
            if let Some(waiting) = of_user.get_mut(user) {
                while let Some((place, _)) = waiting.pop_front_if(|(_, id)| *id <= high.after) {
                    if let Some(is_taken) = is_taken.get_mut(place) {
                        *is_taken = true;
                    }
                    turns.push(Turn::Normal(place));
                }
            }
            turns.extend(behind.into_iter().map(Turn::Pulled));
            pulled_to.insert(user, high.after.max(from));
            turns.push(Turn::High(index));
        }
        let limit = self.limit();
        let rest = self.normals.iter().zip(is_taken).enumerate();
        turns.extend(
            rest.filter(|(_, (normal, is_taken))| !is_taken && normal.id <= limit).map(|(i, _)| Turn::Normal(i)),
        );
        turns
    }

    /// A high entry that was not read may come before every normal entry behind this one.
    fn limit(&self) -> EntryId {
        match self.highs.last() {
            Some(last) if !self.has_all_highs => last.after,
            _ => EntryId::LAST,
        }
    }

    /// The normal entries of the players that have high ones, with their places.
    fn normals_of_high_users(&self) -> HashMap<&str, VecDeque<(usize, EntryId)>> {
        let mut of_user: HashMap<&str, VecDeque<_>> =
            self.highs.iter().filter_map(|high| Some((high.user.as_deref()?, VecDeque::new()))).collect();
        for (place, normal) in self.normals.iter().enumerate() {
            if let Some(waiting) = normal.user.as_deref().and_then(|user| of_user.get_mut(user)) {
                waiting.push_back((place, normal.id));
            }
        }
        of_user
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n1`, `n2` … are normal entries of these ids, of the player named.
    fn standing(normals: &[(u64, &str)], highs: &[(u64, &str)]) -> Standing {
        let user = |name: &str| (name != "?").then(|| name.to_owned());
        Standing {
            normals: normals.iter().map(|(id, name)| Normal { id: EntryId(*id, 0), user: user(name) }).collect(),
            has_all_normals: true,
            highs: highs.iter().map(|(after, name)| High { after: EntryId(*after, 0), user: user(name) }).collect(),
            has_all_highs: true,
        }
    }

    fn unknown(_: &str, _: EntryId, _: EntryId) -> Option<Vec<EntryId>> {
        None
    }

    #[test]
    fn a_high_job_goes_before_those_of_other_players() {
        let standing = standing(&[(1, "a"), (2, "b")], &[(2, "c")]);
        assert_eq!(standing.order(unknown), [Turn::High(0), Turn::Normal(0), Turn::Normal(1)]);
    }

    #[test]
    fn it_pulls_its_players_earlier_jobs_forward_and_leaves_the_later_ones() {
        let standing = standing(&[(1, "a"), (2, "b"), (3, "a"), (4, "b")], &[(2, "b"), (4, "a")]);
        let turns = [Turn::Normal(1), Turn::High(0), Turn::Normal(0), Turn::Normal(2), Turn::High(1), Turn::Normal(3)];
        assert_eq!(standing.order(unknown), turns);
    }

    #[test]
    fn earlier_jobs_behind_what_was_read_are_fetched_once() {
        let mut standing = standing(&[(1, "a")], &[(7, "b"), (9, "b")]);
        standing.has_all_normals = false;
        assert_eq!(standing.reach(), Some(EntryId(9, 0)));
        let earlier = |_: &str, from: EntryId, to: EntryId| {
            Some([5, 7, 8].map(|id| EntryId(id, 0)).into_iter().filter(|id| *id > from && *id <= to).collect())
        };
        let pulled = |id| Turn::Pulled(EntryId(id, 0));
        let turns = [pulled(5), pulled(7), Turn::High(0), pulled(8), Turn::High(1), Turn::Normal(0)];
        assert_eq!(standing.order(earlier), turns);
    }

    #[test]
    fn what_cannot_be_placed_yet_waits_with_all_high_jobs_of_its_player() {
        let mut standing = standing(&[(1, "a"), (2, "b")], &[(9, "a"), (1, "a"), (9, "c"), (2, "b")]);
        standing.has_all_normals = false;
        assert_eq!(standing.order(unknown), [Turn::Normal(1), Turn::High(3), Turn::Normal(0)]);
    }

    #[test]
    fn normal_jobs_that_a_high_one_not_read_may_precede_wait() {
        let mut standing = standing(&[(1, "a"), (2, "a"), (3, "b")], &[(2, "c")]);
        standing.has_all_highs = false;
        assert_eq!(standing.order(unknown), [Turn::High(0), Turn::Normal(0), Turn::Normal(1)]);
    }

    #[test]
    fn entries_of_nobody_stand_in_nobodys_way() {
        let standing = standing(&[(1, "?"), (2, "a")], &[(9, "?"), (2, "a")]);
        assert_eq!(standing.order(unknown), [Turn::High(0), Turn::Normal(1), Turn::High(1), Turn::Normal(0)]);
    }
}
