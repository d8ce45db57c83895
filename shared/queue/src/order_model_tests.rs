//! Random jobs of few players, some delayed, read in small shares and finished in part, against the order that their
//! players were promised.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use satchel_model::operations::Priority;

use super::entry::EntryId;
use super::order::{Due, High, Normal, Standing, Turn};

const PLAYERS: usize = 3;

#[derive(Debug, Clone, Copy)]
struct Submit {
    player: usize,
    class: Priority,
    /// In so many milliseconds; 0 is at once.
    delay_ms: u64,
}

/// One read: a first look; what comes meanwhile; a second look; how far the backlog is known; how much is finished.
#[derive(Debug, Clone)]
struct Read {
    count: usize,
    meanwhile: Vec<Submit>,
    second_count: usize,
    known_to_ms: u64,
    finished: usize,
}

#[derive(Debug, Clone)]
enum Step {
    Submit(Submit),
    Tick(u64),
    Read(Read),
}

fn submit() -> impl Strategy<Value = Submit> {
    (0..PLAYERS, prop::bool::weighted(0.3), prop_oneof![3 => Just(0_u64), 1 => 1_u64..9]).prop_map(
        |(player, is_high, delay_ms)| {
            let class = if is_high { Priority::High } else { Priority::Normal };
            Submit { player, class, delay_ms }
        },
    )
}

fn read() -> impl Strategy<Value = Read> {
    (1_usize..5, prop::collection::vec(submit(), 0..3), 0_usize..5, 0_u64..60, 0_usize..6).prop_map(
        |(count, meanwhile, second_count, known_to_ms, finished)| Read {
            count,
            meanwhile,
            second_count,
            known_to_ms,
            finished,
        },
    )
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => submit().prop_map(Step::Submit),
        1 => (1_u64..4).prop_map(Step::Tick),
        1 => read().prop_map(Step::Read),
    ];
    prop::collection::vec(step, 1..90)
}

/// Where a job has its place among its player's: the millisecond, delayed ones first, as they came.
type Place = (u64, bool, usize);

/// A job: whose, where its place is.
type Job = (usize, Place);

/// Where a job waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Normal(EntryId),
    High(EntryId),
    Delayed(u64, usize),
}

/// A shard and what its jobs' players were promised.
#[derive(Default)]
struct Model {
    now_ms: u64,
    arrivals: usize,
    normals: BTreeMap<EntryId, Job>,
    highs: BTreeMap<EntryId, (Job, EntryId)>,
    delayed: BTreeMap<(u64, usize), (Job, Priority)>,
    /// Every normal entry that there ever was.
    history: Vec<(EntryId, usize)>,
    last_normal: EntryId,
    last_high: EntryId,
}

impl Model {
    fn submit(&mut self, Submit { player, class, delay_ms }: Submit) {
        self.arrivals += 1;
        if delay_ms > 0 {
            let due_ms = self.now_ms + delay_ms;
            self.delayed.insert((due_ms, self.arrivals), ((player, (due_ms, false, self.arrivals)), class));
            return;
        }
        let job = (player, (self.now_ms, true, self.arrivals));
        let last = if class == Priority::High { &mut self.last_high } else { &mut self.last_normal };
        *last = EntryId(self.now_ms, if last.0 == self.now_ms { last.1 + 1 } else { 0 });
        let id = *last;
        if class == Priority::High {
            self.highs.insert(id, (job, self.last_normal));
        } else {
            self.normals.insert(id, job);
            self.history.push((id, player));
        }
    }

    /// Adds what is behind what was read.
    fn look(&self, standing: &mut Standing, count: usize) {
        let behind = |last: EntryId| EntryId(last.0, last.1 + 1)..;
        let from = standing.normals.last().map_or(EntryId::default().., |last| behind(last.id));
        let normals: Vec<_> = self.normals.range(from).take(count).collect();
        standing.has_all_normals = normals.len() < count;
        standing
            .normals
            .extend(normals.into_iter().map(|(id, (player, _))| Normal { id: *id, user: Some(player.to_string()) }));
        let from = standing.highs.last().map_or(EntryId::default().., |last| behind(last.id));
        let highs: Vec<_> = self.highs.range(from).take(count).collect();
        standing.has_all_highs = highs.len() < count;
        standing.highs.extend(highs.into_iter().map(|(id, ((player, _), after))| High {
            id: *id,
            after: *after,
            user: Some(player.to_string()),
        }));
    }

    fn due(&self) -> impl Iterator<Item = (&(u64, usize), &(Job, Priority))> {
        self.delayed.range(..=(self.now_ms, usize::MAX))
    }

    /// What a reader sees: in two looks, or, where something is due, at one moment.
    fn standing(&mut self, read: &Read) -> Standing {
        let empty = Standing { has_all_dues: true, ..Standing::default() };
        let mut standing = empty.clone();
        self.look(&mut standing, read.count);
        read.meanwhile.iter().for_each(|job| self.submit(*job));
        if read.second_count > 0 && !(standing.has_all_normals && standing.has_all_highs) {
            self.look(&mut standing, read.second_count);
        }
        if self.due().next().is_some() {
            standing = empty;
            self.look(&mut standing, read.count);
            let dues = self.due().take(read.count).map(|((at_ms, _), ((player, _), class))| Due {
                at_ms: *at_ms,
                class: *class,
                user: Some(player.to_string()),
            });
            standing.dues = dues.collect();
            standing.has_all_dues = standing.dues.len() < read.count;
        }
        standing
    }

    fn read(&mut self, read: &Read) {
        let standing = self.standing(read);
        let known_to = EntryId(read.known_to_ms, u64::MAX);
        let reach = Cell::new(EntryId::default());
        let earlier = |user: &str, from: EntryId, to: EntryId| {
            reach.set(to.max(reach.get()));
            // Entries that have gone are known as well.
            let known =
                self.history.iter().filter(|(id, player)| player.to_string() == user && *id > from && *id <= to);
            (to <= known_to).then(|| known.map(|(id, _)| *id).collect())
        };
        let turns = standing.order(earlier);
        assert!(reach.get() <= standing.reach().unwrap_or_default());
        let is_empty = standing.normals.is_empty() && standing.highs.is_empty() && standing.dues.is_empty();
        assert!(!turns.is_empty() || is_empty, "nothing has a turn");
        let dues: Vec<(u64, usize)> = self.due().map(|(key, _)| *key).collect();
        let keys = turns.into_iter().map(|turn| match turn {
            Turn::Normal(index) => Key::Normal(standing.normals[index].id),
            Turn::Pulled(id) => Key::Normal(id),
            Turn::High(index) => Key::High(standing.highs[index].id),
            Turn::Due(index) => Key::Delayed(dues[index].0, dues[index].1),
        });
        let keys: Vec<Key> = keys.filter(|key| self.job(*key).is_some()).collect();
        self.check_overtaking(&standing, keys.first().copied(), known_to);
        for key in keys.into_iter().take(read.finished) {
            self.apply(key);
        }
    }

    fn job(&self, key: Key) -> Option<Job> {
        match key {
            Key::Normal(id) => self.normals.get(&id).copied(),
            Key::High(id) => self.highs.get(&id).map(|(job, _)| *job),
            Key::Delayed(due_ms, arrival) => self.delayed.get(&(due_ms, arrival)).map(|(job, _)| *job),
        }
    }

    /// The place of a player's first job that is not applied.
    fn first_of(&self, player: usize) -> Option<Place> {
        let jobs = self.normals.values().copied();
        let jobs =
            jobs.chain(self.highs.values().map(|(job, _)| *job)).chain(self.delayed.values().map(|(job, _)| *job));
        jobs.filter(|(of, _)| *of == player).map(|(_, place)| place).min()
    }

    fn apply(&mut self, key: Key) {
        let (player, place) = self.job(key).unwrap();
        assert_eq!(self.first_of(player), Some(place), "out of the player's order");
        assert!(place.0 <= self.now_ms, "before its time");
        match key {
            Key::Normal(id) => drop(self.normals.remove(&id)),
            Key::High(id) => drop(self.highs.remove(&id)),
            Key::Delayed(due_ms, arrival) => drop(self.delayed.remove(&(due_ms, arrival))),
        }
    }

    /// The first high job whose player has nothing before it is the next, if that can be known.
    fn check_overtaking(&self, standing: &Standing, first: Option<Key>, known_to: EntryId) {
        let Some(high) = standing.highs.first().filter(|_| standing.dues.is_empty()) else { return };
        let ((player, place), after) = self.highs[&high.id];
        let is_known = standing.has_all_normals || after <= standing.last_normal() || after <= known_to;
        if self.first_of(player) == Some(place) && is_known {
            assert_eq!(first, Some(Key::High(high.id)), "a high job did not overtake");
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
                Step::Tick(milliseconds) => model.now_ms += milliseconds,
                Step::Read(read) => model.read(read),
            }
        }
        // However little is read and known, everything gets done.
        let drain = Read { count: 1, meanwhile: Vec::new(), second_count: 0, known_to_ms: 0, finished: 1 };
        model.now_ms += 9;
        for _ in 0..steps.len() * 4 {
            model.read(&drain);
        }
        prop_assert!(model.normals.is_empty() && model.highs.is_empty() && model.delayed.is_empty());
    }
}
