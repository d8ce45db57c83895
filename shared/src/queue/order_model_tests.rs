//! Random jobs of few players, read in small shares and finished in part, against the order in which they came.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::entry::EntryId;
use super::order::{High, Normal, Standing, Turn};

const PLAYERS: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Submit {
    Normal(usize),
    High(usize),
}

/// One read: a first look; what comes meanwhile; a second look; how far the backlog is known; how much is finished.
#[derive(Debug, Clone)]
struct Read {
    count: usize,
    meanwhile: Vec<Submit>,
    second_count: usize,
    known_to: u64,
    finished: usize,
}

#[derive(Debug, Clone)]
enum Step {
    Submit(Submit),
    Read(Read),
}

fn submit() -> impl Strategy<Value = Submit> {
    (0..PLAYERS, prop::bool::weighted(0.3))
        .prop_map(|(player, is_high)| if is_high { Submit::High(player) } else { Submit::Normal(player) })
}

fn read() -> impl Strategy<Value = Read> {
    (1_usize..5, prop::collection::vec(submit(), 0..3), 0_usize..5, 0_u64..60, 0_usize..6).prop_map(
        |(count, meanwhile, second_count, known_to, finished)| Read {
            count,
            meanwhile,
            second_count,
            known_to,
            finished,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(prop_oneof![3 => submit().prop_map(Step::Submit), 1 => read().prop_map(Step::Read)], 1..80)
}

/// A shard and what its jobs' players were promised.
#[derive(Default)]
struct Model {
    /// Waiting ones: id to player and number.
    normals: BTreeMap<u64, (usize, usize)>,
    /// Waiting ones: id to player, number and `after`.
    highs: BTreeMap<u64, (usize, usize, u64)>,
    /// Every normal one that there ever was.
    history: Vec<(u64, usize)>,
    last_normal: u64,
    last_high: u64,
    submitted: [usize; PLAYERS],
    applied: [usize; PLAYERS],
}

impl Model {
    fn submit(&mut self, job: Submit) {
        match job {
            Submit::Normal(player) => {
                self.last_normal += 1;
                self.normals.insert(self.last_normal, (player, self.submitted[player]));
                self.history.push((self.last_normal, player));
                self.submitted[player] += 1;
            }
            Submit::High(player) => {
                self.last_high += 1;
                self.highs.insert(self.last_high, (player, self.submitted[player], self.last_normal));
                self.submitted[player] += 1;
            }
        }
    }

    /// Adds what is behind what was read, and says of which high entries.
    fn look(&self, standing: &mut Standing, high_ids: &mut Vec<u64>, count: usize) {
        let (from, from_high) = (standing.last_normal().0, high_ids.last().copied().unwrap_or_default());
        let before = standing.normals.len();
        let normals = self.normals.range(from + 1..).take(count);
        standing
            .normals
            .extend(normals.map(|(id, (player, _))| Normal { id: EntryId(*id, 0), user: Some(player.to_string()) }));
        standing.has_all_normals = standing.normals.len() - before < count;
        let before = high_ids.len();
        for (id, (player, _, after)) in self.highs.range(from_high + 1..).take(count) {
            standing.highs.push(High { after: EntryId(*after, 0), user: Some(player.to_string()) });
            high_ids.push(*id);
        }
        standing.has_all_highs = high_ids.len() - before < count;
    }

    fn read(&mut self, read: &Read) {
        let (mut standing, mut high_ids) = (Standing::default(), Vec::new());
        self.look(&mut standing, &mut high_ids, read.count);
        read.meanwhile.iter().for_each(|job| self.submit(*job));
        if read.second_count > 0 && !(standing.has_all_normals && standing.has_all_highs) {
            self.look(&mut standing, &mut high_ids, read.second_count);
        }
        let reach = Cell::new(0);
        let earlier = |user: &str, from: EntryId, to: EntryId| {
            reach.set(to.0.max(reach.get()));
            // Entries that have gone are known as well.
            let known =
                self.history.iter().filter(|(id, player)| player.to_string() == user && *id > from.0 && *id <= to.0);
            (to.0 <= read.known_to).then(|| known.map(|(id, _)| EntryId(*id, 0)).collect())
        };
        let turns = standing.order(earlier);
        assert!(reach.get() <= standing.reach().map_or(0, |id| id.0));
        assert!(!turns.is_empty() || (standing.normals.is_empty() && standing.highs.is_empty()));
        let places: Vec<(bool, u64)> = turns
            .into_iter()
            .map(|turn| match turn {
                Turn::Normal(index) => (false, standing.normals[index].id.0),
                Turn::Pulled(id) => (false, id.0),
                Turn::High(index) => (true, high_ids[index]),
            })
            .filter(|(is_high, id)| *is_high || self.normals.contains_key(id))
            .collect();
        self.check_overtaking(&standing, &high_ids, &places, read.known_to);
        for (is_high, id) in places.into_iter().take(read.finished) {
            let (player, number) = if is_high {
                self.highs.remove(&id).map(|(player, number, _)| (player, number)).unwrap()
            } else {
                self.normals.remove(&id).unwrap()
            };
            assert_eq!(self.applied[player], number, "out of the player's order");
            self.applied[player] += 1;
        }
    }

    /// The first high job whose player has nothing before it is the next, if that can be known.
    fn check_overtaking(&self, standing: &Standing, high_ids: &[u64], places: &[(bool, u64)], known_to: u64) {
        let Some((high, id)) = standing.highs.first().zip(high_ids.first()) else { return };
        let (player, number, after) = self.highs[id];
        let is_known = standing.has_all_normals || high.after <= standing.last_normal() || after <= known_to;
        if number == self.applied[player] && is_known {
            assert_eq!(places.first(), Some(&(true, *id)), "a high job did not overtake");
        }
    }
}

proptest! {
    #[test]
    fn every_players_order_holds_and_high_jobs_overtake(steps in steps()) {
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::Submit(job) => model.submit(*job),
                Step::Read(read) => model.read(read),
            }
        }
        // However little is read and known, everything gets done.
        let drain = Read { count: 1, meanwhile: Vec::new(), second_count: 0, known_to: 0, finished: 1 };
        for _ in 0..steps.len() * 4 {
            model.read(&drain);
        }
        prop_assert_eq!(model.applied, model.submitted);
    }
}
