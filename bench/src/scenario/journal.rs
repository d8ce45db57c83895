//! `journal`: sustain with accepted jobs committed to Postgres before they are answered for, beside the same without.

use anyhow::Result;

use super::sustain::{self, Options};
use crate::bench::Bench;
use crate::stand::satchel::{Satchel, Settings};
use crate::stand::servers::Servers;

/// Both runs of Satchel by turns.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let turns = [("journal, without", "none"), ("journal", "postgres")];
    for (scenario, journal) in (0..options.rounds).flat_map(|_| turns) {
        let api_env = vec![("SATCHEL_JOURNAL".to_owned(), journal.to_owned())];
        let settings = Settings { api_env, ..Settings::default() };
        let mut satchel = Satchel::start(Servers::start(bench.dir())?, &settings)?;
        sustain::measure(bench, scenario, &mut satchel, options)?;
    }
    bench.report.print_table();
    Ok(())
}
