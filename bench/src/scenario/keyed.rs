//! `keyed`: sustain with an idempotency key for each job, beside the same without.

use anyhow::Result;

use super::sustain::{self, Options};
use crate::bench::Bench;
use crate::stand::satchel::{Satchel, Settings};
use crate::stand::servers::Servers;

/// Both runs of Satchel by turns.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let turns = [("keyed, without", false), ("keyed", true)];
    for (scenario, is_keyed) in (0..options.rounds).flat_map(|_| turns) {
        let mut satchel = Satchel::start(Servers::start(bench.dir())?, &Settings::default())?;
        sustain::measure(bench, scenario, &mut satchel, &Options { is_keyed, ..options.clone() })?;
    }
    bench.report.print_table();
    Ok(())
}
