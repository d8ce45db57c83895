//! Reads at a fixed rate: an open loop, counted from when a request was due.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::load::get::GetMaker;
use crate::load::http;
use crate::load::open::{self, Plan};
use crate::stand::contender::Contender;

/// Entries of a page of a history.
pub(super) const PAGE: u16 = 50;
const CONNECTIONS: usize = 16;
const WARM_UP: Duration = Duration::from_secs(2);

/// How hard and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Reads a second.
    pub(super) per_second: u32,
    /// How long they count, after [`WARM_UP`].
    pub(super) seconds: u64,
}

/// Reads these paths in turn and reports how long that takes.
pub(super) fn measure(
    bench: &mut Bench,
    scenario: &str,
    contender: &dyn Contender,
    what: &str,
    paths: &[String],
    load: Load,
) -> Result<()> {
    let (token, address) = (contender.token("operator", "bench")?, contender.address());
    let requests = Arc::new(paths.iter().map(|path| http::get(address, path, &token)).collect::<Vec<_>>());
    let step = requests.len() / CONNECTIONS;
    let makers = (0..CONNECTIONS).map(|place| GetMaker::new(Arc::clone(&requests), place * step)).collect();
    let window = Duration::from_secs(load.seconds);
    let outcome = open::run(address, makers, Plan { per_second: load.per_second, warm_up: WARM_UP, window })?;
    let name = contender.kind().name();
    if let Some(trouble) = outcome.tally.trouble() {
        bench.report.fault(scenario, name, &format!("{what}: {trouble}"));
    }
    for (metric, percent) in [("p50", 50.0), ("p99", 99.0)] {
        let ms = outcome.tally.percentile_ms(percent);
        bench.report.figure(scenario, name, &format!("{what}, {metric}"), ms, "ms");
    }
    Ok(())
}
