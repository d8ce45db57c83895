//! `bench`: how fast Satchel is, beside what people would use instead, on this machine.
//!
//! A scenario starts a private Postgres and Redis for each contender, runs the real programs, loads them, checks that
//! what they did is right, and reports. Everything blocks, except in `load`, which has a thread and a runtime of its own.

mod bench;
mod check;
mod command;
mod figure;
mod load;
mod marks;
mod report;
mod scenario;
mod spread;
mod stand;

use std::process::ExitCode;

fn main() -> ExitCode {
    command::run()
}
