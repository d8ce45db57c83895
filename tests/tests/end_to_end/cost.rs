//! What a job costs, where it can be counted and need not be timed: statements and round trips of a batch, what it
//! writes to Postgres's log, commands in Redis. Where a table here no longer holds, a change has made jobs dearer, or
//! cheaper: either the change has to be put right or, in the same commit, the table.
//!
//! (How often a job allocates memory is counted in `worker/src/batch/allocation_tests.rs`.)

use std::collections::BTreeMap;

use satchel_model::ids::ShardCount;
use satchel_testkit::job::{reward, reward_pieces, use_item};
use satchel_testkit::players::{neighbours, one_per_shard};
use satchel_testkit::statements::{self, Statement};
use satchel_testkit::wire::{Transaction, Wire};
use satchel_testkit::{Satchel, Setup, load, wait};
use satchel_tests::invariants;
use serde_json::{Value, json};

/// One player of each shard.
const PLAYERS: usize = ShardCount::DEFAULT as usize;
/// Items that each player has: more than a batch changes, as in life.
const ITEMS: usize = 20;
/// Of these, as many change in a batch.
const CHANGED_ITEMS: usize = 4;
/// Most jobs of a batch: one for each player and changed item, so that every batch is the same.
const BATCH_JOBS: usize = PLAYERS * CHANGED_ITEMS;
/// Batches that are measured.
const BATCHES: usize = 3;

/// A statement, by how it begins, and how many answers are waited for until the next one can be sent. Together these are
/// the round trips of a batch, through which its players are locked.
type Step = (&'static str, usize);

/// A batch for players whom the lane remembers.
const BATCH: &[Step] = &[("SELECT refusal, clock AS ", 1)];

/// A batch for players that are new.
const FIRST_BATCH: &[Step] = &[("SELECT nth AS ", 1), ("SELECT refusal, clock AS ", 1)];

/// What the statements of a [`BATCH`] write to Postgres's log (WAL) for each of its jobs, which change one holding each:
/// hundredths of records, tenths of bytes. What is not named here writes nothing.
const LOGGED: &[(&str, i64, i64)] = &[("SELECT refusal, clock AS ", 560, 9_380)];

/// By how much [`LOGGED`] may be off, in percent: random ids say where a page is split.
const LOGGED_MAY_DIFFER_PERCENT: i64 = 5;

/// Commands that a job without idempotency key costs Redis until it is accepted.
const TO_SUBMIT: &[(&str, usize)] = &[("xadd", 1)];

/// The same with a key: looked for, and queued beside its record, in one step.
const TO_SUBMIT_KEYED: &[(&str, usize)] = &[("get", 1), ("set", 1), ("xadd", 1)];

/// Commands that look for work, as often as it takes, the test's own, and those by which every two seconds it is noted what
/// each shard has had (`hget`, `hset`; of jobs, only delayed ones need these).
const LOOKING: &[&str] = &[
    "auth",
    "config",
    "config|resetstat",
    "eval",
    "exists",
    "hget",
    "hset",
    "info",
    "keys",
    "ping",
    "time",
    "xlen",
    "xread",
    "zrangebyscore",
    "zrem",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_cost_as_many_statements_round_trips_log_records_and_commands_as_before() {
    let meter = Meter::start().await;
    let (known, new) = (one_per_shard(), second_per_shard());
    // Afterwards every statement is prepared, and the holdings are remembered.
    meter.apply(&first_rewards(&known)).await;
    meter.apply(&changes(&known, 1)).await;

    let (commands, job_ids) = meter.submit(&changes(&known, BATCHES)).await;
    let expected = TO_SUBMIT.iter().map(|(name, times)| ((*name).to_owned(), times * BATCHES * BATCH_JOBS));
    assert_eq!(commands, expected.collect(), "Redis's commands to submit {} jobs", job_ids.len());

    let cost = meter.drain().await;
    assert_batches(&cost, BATCHES, BATCH);
    assert_logged(&cost.statements);
    assert_finished(&cost.commands, &job_ids, 0);

    let (commands, job_ids) = meter.submit(&under_keys(changes(&known, 1))).await;
    let expected = TO_SUBMIT_KEYED.iter().map(|(name, times)| ((*name).to_owned(), times * BATCH_JOBS));
    assert_eq!(commands, expected.collect(), "Redis's commands to submit {} jobs with keys", job_ids.len());
    let cost = meter.drain().await;
    assert_batches(&cost, 1, BATCH);
    assert_finished(&cost.commands, &job_ids, PLAYERS);

    meter.submit(&first_rewards(&new)).await;
    assert_batches(&meter.drain().await, 1, FIRST_BATCH);

    invariants::check(&meter.satchel).await;
    load::assert_none_rejected(&meter.satchel);
}

/// Whether it is a batch, and not the worker's other business.
fn is_batch(transaction: &Transaction) -> bool {
    transaction.steps.iter().any(|(text, _)| {
        text.contains("apply_batch") || text.contains("find_holdings") || text.contains("users.version")
    })
}

/// There were so many batches, and each was these steps.
#[track_caller]
fn assert_batches(cost: &Cost, count: usize, expected: &[Step]) {
    let steps = cost.transactions.iter().flat_map(|transaction| &transaction.steps);
    // Each statement is prepared once on a connection.
    let steps: Vec<&(String, usize)> = steps.filter(|(text, _)| !text.starts_with("PREPARE")).collect();
    let fits = |((text, answers), (begin, expected)): (&(String, usize), &Step)| {
        text.starts_with(begin) && answers == expected
    };
    let list: Vec<String> = steps.iter().map(|(text, answers)| format!("{answers} × {text}")).collect();
    let is_as_expected =
        steps.len() == count * expected.len() && steps.iter().copied().zip(expected.iter().cycle()).all(fits);
    assert!(is_as_expected, "the statements of {count} batches are not those expected:\n{}", list.join("\n"));
}

/// Each statement of a batch wrote as much as in [`LOGGED`].
#[track_caller]
fn assert_logged(statements: &[Statement]) {
    let jobs = i64::try_from(BATCHES * BATCH_JOBS).expect("few");
    let is_near = |found: i64, expected: i64| (found - expected).abs() * 100 <= expected * LOGGED_MAY_DIFFER_PERCENT;
    let mut found: Vec<String> = Vec::new();
    let mut is_as_expected = true;
    for (begin, _) in BATCH {
        let runs = || statements.iter().filter(|statement| statement.text.starts_with(begin));
        let records = runs().map(|statement| statement.wal_records).sum::<i64>() * 100 / jobs;
        let bytes = runs().map(|statement| statement.wal_bytes).sum::<i64>() * 10 / jobs;
        let named = LOGGED.iter().find(|(named, ..)| named == begin);
        let (_, expected_records, expected_bytes) = named.copied().unwrap_or_default();
        is_as_expected &= is_near(records, expected_records) && is_near(bytes, expected_bytes);
        found.push(format!("{begin:?}: {records}, {bytes}; expected {expected_records}, {expected_bytes}"));
    }
    let found = found.join("\n");
    println!("{found}");
    assert!(is_as_expected, "written to the log for a job, in hundredths of records and tenths of bytes:\n{found}");
}

/// A batch deletes its entries by one command for each stream, and the records of jobs with keys, which lie beside them, by
/// one for each shard that has some: so many in all.
#[track_caller]
fn assert_finished(commands: &BTreeMap<String, usize>, job_ids: &[String], unlinks: usize) {
    let xdels = job_ids.len().div_ceil(BATCH_JOBS) * PLAYERS;
    let expected = [("unlink", unlinks), ("xdel", xdels)].into_iter().filter(|(_, times)| *times > 0);
    let expected = expected.map(|(name, times)| (name.to_owned(), times)).collect();
    assert_eq!(commands, &expected, "Redis's commands to finish {} jobs", job_ids.len());
}

/// A Satchel whose worker has one lane and is paused but for [`Meter::drain`], and its way to Postgres.
struct Meter {
    satchel: Satchel,
    wire: Wire,
}

/// What the jobs of one [`Meter::drain`] cost.
struct Cost {
    transactions: Vec<Transaction>,
    statements: Vec<Statement>,
    commands: BTreeMap<String, usize>,
}

impl Meter {
    async fn start() -> Self {
        let satchel = Setup::new().with_statements().workers(0).start().await;
        let item = |number| (item_id(number), json!({"name": "Item", "grant": "stack", "use": {"consume": 1}}));
        satchel.publish(&json!({"items": (0..ITEMS).map(item).collect::<serde_json::Map<_, _>>()})).await;
        let wire = Wire::tap(&satchel.database.worker).await;
        satchel.start_worker_with(&[
            ("SATCHEL_WORKER_DATABASE_URL", wire.url()),
            ("SATCHEL_WORKER_LANES", "1"),
            ("SATCHEL_MAX_BATCH_JOBS", &BATCH_JOBS.to_string()),
        ]);
        satchel.settled(1).await;
        let meter = Self { satchel, wire };
        meter.pause().await;
        meter
    }

    /// Pauses, and waits until the worker knows: before, it would try to apply what comes.
    async fn pause(&self) {
        let times_told = || self.satchel.worker_output().matches("the queue was paused or resumed").count();
        let before = times_told();
        self.satchel.pause().await;
        wait::until_true("the worker knows of the pause", || times_told() > before).await;
    }

    /// Submits jobs; gives the commands that this took in Redis, and the jobs' ids.
    async fn submit(&self, jobs: &[Value]) -> (BTreeMap<String, usize>, Vec<String>) {
        self.forget_commands();
        let job_ids = self.satchel.game().submit(&json!(jobs)).await.expect(202).job_ids();
        (self.commands(), job_ids)
    }

    /// Has the worker apply everything that waits, and gives what it took.
    async fn drain(&self) -> Cost {
        let owner = &self.satchel.database.owner;
        self.forget_commands();
        statements::reset(owner);
        self.wire.forget();
        self.satchel.resume().await;
        load::finished(&self.satchel, self.satchel.journal.acceptances()).await;
        wait::until_true("the queue is empty", || self.satchel.redis.commands.leftovers().is_empty()).await;
        self.pause().await;
        Cost {
            transactions: self.wire.transactions().into_iter().filter(is_batch).collect(),
            statements: statements::counted(owner),
            commands: self.commands(),
        }
    }

    async fn apply(&self, jobs: &[Value]) {
        self.submit(jobs).await;
        self.drain().await;
    }

    fn forget_commands(&self) {
        self.satchel.redis.commands.run(&["CONFIG", "RESETSTAT"]);
    }

    /// How often each command was run since, but for [`LOOKING`].
    fn commands(&self) -> BTreeMap<String, usize> {
        let told = self.satchel.redis.commands.run(&["INFO", "commandstats"]);
        let command = |line: &str| {
            let (name, numbers) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), numbers.split(',').next()?.parse().ok()?))
        };
        told.lines().filter_map(command).filter(|(name, _)| !LOOKING.contains(&name.as_str())).collect()
    }
}

/// Another player of each shard.
fn second_per_shard() -> Vec<String> {
    one_per_shard().iter().map(|first| neighbours(first, 1).remove(0)).collect()
}

fn item_id(number: usize) -> String {
    format!("item-{number}")
}

/// A job for each player that gives it some of every item.
fn first_rewards(players: &[String]) -> Vec<Value> {
    let items: Vec<Value> = (0..ITEMS).map(|item| json!({"itemId": item_id(item), "quantity": 100})).collect();
    players.iter().map(|player| reward(player, json!(items))).collect()
}

/// The same jobs, each under a key.
fn under_keys(mut jobs: Vec<Value>) -> Vec<Value> {
    for (number, job) in jobs.iter_mut().enumerate() {
        job["idempotencyKey"] = json!(format!("k{number}"));
    }
    jobs
}

/// For each batch a job for each player and changed item: rewards and uses in turn.
fn changes(players: &[String], batches: usize) -> Vec<Value> {
    let change = |batch: usize, item: usize, player: &str| {
        let is_reward = (batch + item).is_multiple_of(2);
        if is_reward { reward_pieces(player, &item_id(item), 1) } else { use_item(player, &item_id(item), 1) }
    };
    let batches = (0..batches).flat_map(|batch| (0..CHANGED_ITEMS).map(move |item| (batch, item)));
    batches.flat_map(|(batch, item)| players.iter().map(move |player| change(batch, item, player))).collect()
}
