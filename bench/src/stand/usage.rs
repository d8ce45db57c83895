//! What the parts of the stand cost: processor time and memory, as the kernel counts them in `/proc` (proc(5)).

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// What a "clock tick" of `/proc` is: `USER_HZ`, 100 on every architecture that Satchel is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// How often a postmaster's family is read anew when one of them ended while it was being read.
const MAX_READS: u32 = 5;

/// The parts that share the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Component {
    /// This process: load generator, and what the bench itself does.
    LoadGenerator,
    /// The API, or a contender's.
    Api,
    /// Redis.
    Redis,
    /// Restate's server.
    Restate,
    /// All workers.
    Workers,
    /// The postmaster and all its children, those that have ended included.
    Postgres,
}

impl Component {
    /// All of them, in the order of a job's way.
    const ALL: [Self; 6] = [Self::LoadGenerator, Self::Api, Self::Redis, Self::Restate, Self::Workers, Self::Postgres];

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::LoadGenerator => "load generator",
            Self::Api => "api",
            Self::Redis => "redis",
            Self::Restate => "restate",
            Self::Workers => "worker",
            Self::Postgres => "postgres",
        }
    }
}

/// The processes to look at, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes {
    /// The API's.
    pub(crate) api: Option<i32>,
    /// The workers'.
    pub(crate) workers: Vec<i32>,
    /// Redis's.
    pub(crate) redis: Option<i32>,
    /// Restate's, where it is there.
    pub(crate) restate: Option<i32>,
    /// The postmaster's.
    pub(crate) postgres: Option<i32>,
}

/// What the processes have cost since they started.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    at: Instant,
    costs: Vec<(Component, Cost)>,
}

/// What one component has cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Processor time, user and system, in seconds; to 10 ms.
    pub(crate) cpu_seconds: f64,
    /// Resident memory now, in bytes. Of Postgres what is each process's own, since all show the shared part.
    pub(crate) resident_bytes: u64,
    /// The most that it ever was, in bytes, of several processes the sum; of Postgres unknown, 0.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// Reads it now. Call it before any of the processes is stopped: the time of an ended worker is gone.
    pub(crate) fn of(processes: &Processes) -> Result<Self> {
        let mut costs = Vec::new();
        for component in Component::ALL {
            let ids: Vec<i32> = match component {
                Component::LoadGenerator => vec![i32::try_from(std::process::id())?],
                Component::Api => processes.api.into_iter().collect(),
                Component::Redis => processes.redis.into_iter().collect(),
                Component::Restate => processes.restate.into_iter().collect(),
                Component::Workers => processes.workers.clone(),
                Component::Postgres => processes.postgres.into_iter().collect(),
            };
            if ids.is_empty() {
                continue;
            }
            let mut cost = Cost::default();
            for id in ids {
                cost.add(if component == Component::Postgres { of_family(id)? } else { of_process(id)? });
            }
            costs.push((component, cost));
        }
        Ok(Self { at: Instant::now(), costs })
    }

    /// What was used since `earlier`, and in how many seconds; memory is that of now.
    pub(crate) fn since(&self, earlier: &Self) -> Used {
        let before = |component| earlier.cost(component).cpu_seconds;
        let used = |(component, cost): &(Component, Cost)| {
            (*component, Cost { cpu_seconds: (cost.cpu_seconds - before(*component)).max(0.0), ..*cost })
        };
        Used { seconds: self.at.duration_since(earlier.at).as_secs_f64(), costs: self.costs.iter().map(used).collect() }
    }

    /// What a component has cost.
    pub(crate) fn cost(&self, component: Component) -> Cost {
        find(&self.costs, component)
    }
}

/// What was used between two moments.
#[derive(Debug, Clone)]
pub(crate) struct Used {
    /// The time between, in seconds.
    pub(crate) seconds: f64,
    costs: Vec<(Component, Cost)>,
}

impl Used {
    /// The components that there were.
    pub(crate) fn components(&self) -> impl Iterator<Item = Component> {
        self.costs.iter().map(|(component, _)| *component)
    }

    /// What a component has used.
    pub(crate) fn cost(&self, component: Component) -> Cost {
        find(&self.costs, component)
    }

    /// Processor time of all components, in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        self.costs.iter().map(|(_, cost)| cost.cpu_seconds).sum()
    }
}

fn find(costs: &[(Component, Cost)], component: Component) -> Cost {
    costs.iter().find(|(found, _)| *found == component).map_or_else(Cost::default, |(_, cost)| *cost)
}

impl Cost {
    fn add(&mut self, other: Self) {
        self.cpu_seconds += other.cpu_seconds;
        self.resident_bytes += other.resident_bytes;
        self.peak_bytes += other.peak_bytes;
    }
}

fn of_process(id: i32) -> Result<Cost> {
    let stat = Stat::read(id)?;
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let bytes = |name| field_bytes(&status, name).unwrap_or_default();
    Ok(Cost { cpu_seconds: stat.own, resident_bytes: bytes("VmRSS:"), peak_bytes: bytes("VmHWM:") })
}

/// A postmaster with its children. The time of those that have ended is the postmaster's own record of children it
/// waited for; if that changes between two looks, one of them may be counted in both places or in none.
fn of_family(postmaster: i32) -> Result<Cost> {
    for _ in 0..MAX_READS {
        let before = Stat::read(postmaster)?;
        let mut cost = Cost { cpu_seconds: before.own + before.ended_children, ..Cost::default() };
        let mut is_whole = true;
        for id in children(postmaster)? {
            let Ok(stat) = Stat::read(id) else {
                is_whole = false;
                break;
            };
            cost.cpu_seconds += stat.own;
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            cost.resident_bytes += field_bytes(&status, "RssAnon:").unwrap_or_default();
        }
        let after = Stat::read(postmaster)?;
        #[expect(clippy::float_cmp, reason = "the same number read twice")]
        if is_whole && before.ended_children == after.ended_children {
            return Ok(cost);
        }
    }
    bail!("Postgres's processes come and go too fast to be counted")
}

/// The processes whose parent is `parent`.
fn children(parent: i32) -> Result<Vec<i32>> {
    let all = Path::new("/proc").read_dir().context("this system has no /proc")?;
    let ids = all.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    Ok(ids.filter(|id| Stat::read(*id).is_ok_and(|stat| stat.parent == parent)).collect())
}

/// Of `/proc/<id>/stat`: the parent, and processor time in seconds.
struct Stat {
    parent: i32,
    own: f64,
    ended_children: f64,
}

impl Stat {
    fn read(id: i32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).with_context(|| format!("no process {id}"))?;
        Self::parse(&text).with_context(|| format!("/proc/{id}/stat has another form than expected"))
    }

    fn parse(text: &str) -> Option<Self> {
        // The second field, the program's name, is in parentheses and may itself hold spaces and parentheses.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Numbered from 1 in proc(5); the state, number 3, is the first one here.
        let field = |number: usize| fields.get(number - 3);
        let seconds = |number| Some(field(number)?.parse::<f64>().ok()? / TICKS_PER_SECOND);
        Some(Self {
            parent: field(4)?.parse().ok()?,
            own: seconds(14)? + seconds(15)?,
            ended_children: seconds(16)? + seconds(17)?,
        })
    }
}

/// A line like `VmRSS:     1234 kB`, in bytes.
fn field_bytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_spaces_and_parentheses_is_passed_over() {
        let text = "42 (odd) name) S 7 1 1 0 -1 4194304 9 9 0 0 150 50 300 100 20 0 1 0 1 1 1";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.parent, stat.own, stat.ended_children), (7, 2.0, 4.0));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(field_bytes("Name:\tx\nVmHWM:\t   12 kB\nVmRSS:\t    8 kB\n", "VmRSS:"), Some(8_192));
    }

    #[test]
    fn the_time_that_this_process_uses_is_counted() {
        let before = Usage::of(&Processes::default()).unwrap();
        while Usage::of(&Processes::default()).unwrap().since(&before).cpu_seconds() < 0.05 {
            std::hint::black_box((0..100_000).sum::<u64>());
        }
        assert!(before.cost(Component::LoadGenerator).resident_bytes > 0);
    }
}
