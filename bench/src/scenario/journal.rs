//! `journal`: sustain with accepted jobs committed to Postgres before they are answered for, beside the same without.

use anyhow::Result;

use super::sustain::{self, Options};
use crate::bench::Bench;
use crate::stand::satchel::{Satchel, Settings};
use crate::stand::servers::Servers;

/// Both runs of Satchel, one after the other in the same conditions.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    for (scenario, journal) in [("journal, without", "none"), ("journal", "postgres")] {
        let api_env = vec![("SATCHEL_JOURNAL".to_owned(), journal.to_owned())];
        let settings = Settings { api_env, ..Settings::default() };
        let mut satchel = Satchel::start(Servers::start(bench.dir())?, &settings)?;
        sustain::measure(bench, scenario, &mut satchel, options)?;
    }
    bench.report.print_table();
    Ok(())
}
