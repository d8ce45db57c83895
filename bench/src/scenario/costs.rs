//! What a run has cost, per job and in memory.

use crate::report::Report;
use crate::stand::usage::{Component, Used};

const BYTES_PER_MIB: f64 = 1_048_576.0;

/// Reports the processor time per job of each component and of all, the load generator's share of all, and memory.
pub(super) fn report(report: &mut Report, scenario: &str, contender: &str, used: &Used, jobs: f64) {
    let us_per_job = |cpu_seconds: f64| cpu_seconds * 1e6 / jobs.max(1.0);
    report.figure(scenario, contender, "cpu per job, all", us_per_job(used.cpu_seconds()), "µs");
    for component in used.components() {
        let us = us_per_job(used.cost(component).cpu_seconds);
        report.figure(scenario, contender, &format!("cpu per job, {}", component.name()), us, "µs");
    }
    let own = used.cost(Component::LoadGenerator).cpu_seconds;
    let share = 100.0 * own / used.cpu_seconds().max(f64::MIN_POSITIVE);
    report.figure(scenario, contender, "cpu, share of load generator", share, "%");
    for component in [Component::Api, Component::Workers] {
        let mib = mib(used.cost(component).peak_bytes);
        report.figure(scenario, contender, &format!("peak memory, {}", component.name()), mib, "MiB");
    }
}

#[expect(clippy::cast_precision_loss, reason = "no memory is so large")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / BYTES_PER_MIB
}
