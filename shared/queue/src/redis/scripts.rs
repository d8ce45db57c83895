//! What must happen in one step: scripts that Redis runs, each on the keys of one shard. They are for the rarer jobs;
//! normal ones do without.

use redis::Cmd;
use satchel_model::ids::Shard;
use satchel_model::operations::Priority;

use super::keys;

macro_rules! script {
    ($file:literal) => {
        concat!(include_str!("lua/shard.lua"), include_str!($file))
    };
}

/// Appends a job.
pub(super) const APPEND: &str = script!("lua/append.lua");
/// Lays a job aside until it is due.
pub(super) const DELAY: &str = script!("lua/delay.lua");
/// Reads what comes first, delayed jobs that are due included.
pub(super) const READ: &str = script!("lua/read.lua");
/// Removes delayed jobs that are finished.
pub(super) const REMOVE: &str = script!("lua/remove.lua");
/// Removes a delayed job by its job's id.
pub(super) const WITHDRAW: &str = script!("lua/withdraw.lua");
/// How much waits.
pub(super) const DEPTH: &str = script!("lua/depth.lua");

/// What the shard has had at least, and has now.
pub(super) const WATERMARK: &str = script!("lua/watermark.lua");
/// Adds a normal job that has a key, and its record, unless somebody has its id. Short, since it goes along with each such job.
/// KEYS: 1 normal stream, 2 record. ARGV: 1 payload hash, 2 whether it is queued again although it waits (1 or 0), 3 version,
/// 4 body, 5 MAC, 6 record, 7 for how many seconds it is kept.
///
/// A record is preceded by the id of its entry. One without is a claim, or of a job that took two steps.
pub(super) const SUBMIT: &str = include_str!("lua/submit.lua");
/// A waiting job by its id.
pub(super) const FIND: &str = script!("lua/find.lua");
/// Which jobs wait.
pub(super) const WAITS: &str = script!("lua/waits.lua");

/// The command that runs a script on a shard; its arguments are still to be added.
pub(super) fn run(script: &str, shard: Shard) -> Cmd {
    on_keys(script, shard, 4)
}

/// The same, with one key more, of the same shard.
pub(super) fn run_with(script: &str, shard: Shard, key: &str) -> Cmd {
    let mut command = on_keys(script, shard, 5);
    command.arg(key);
    command
}

/// With the shard's own keys, the first four of so many.
fn on_keys(script: &str, shard: Shard, count: usize) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command
        .arg(script)
        .arg(count)
        .arg(keys::stream(shard, Priority::Normal))
        .arg(keys::stream(shard, Priority::High))
        .arg(keys::delayed(shard))
        .arg(keys::delayed_jobs(shard));
    command
}

/// A class as the scripts name it.
pub(super) fn class_name(class: Priority) -> &'static str {
    match class {
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}
