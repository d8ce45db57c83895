//! The targets: ratios of one run on one machine, with everything on it.

use super::grown::{DRAIN_OF_EMPTY, P99_OF_EMPTY};
use super::{latency, ratios};
use crate::figure::number;
use crate::report::{Report, Row};
use crate::spread;

const SATCHEL: &str = "satchel";
/// More backlog than so many seconds' worth of what was accepted has grown, and is not just on its way.
const MAX_BACKLOG_S: f64 = 1.0;

/// What a figure must be.
#[derive(Debug, Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

struct Target {
    what: &'static str,
    /// Of each round; none if it was not measured.
    values: Vec<f64>,
    unit: &'static str,
    bound: Bound,
}

/// Reports for each target whether the median of all rounds meets it; what was not measured is left out.
pub(crate) fn report(report: &mut Report) {
    ratios::report(report);
    let targets = [speed(report), latencies(report), costs(report), parts(report), growth(report)];
    for Target { what, values, unit, bound } in targets.into_iter().flatten() {
        let Some(value) = spread::median(&values) else { continue };
        let (is_met, wanted) = match bound {
            Bound::AtLeast(least) => (value >= least, format!("at least {}", number(least))),
            Bound::AtMost(most) => (value <= most, format!("at most {}", number(most))),
        };
        let verdict = if is_met { "" } else { "MISSED" };
        let ends = spread::ends(&values);
        let ends = ends.map(|(least, most)| format!("{} to {}", number(least), number(most))).unwrap_or_default();
        report.add(Row {
            scenario: "targets".to_owned(),
            contender: SATCHEL.to_owned(),
            metric: format!("{what}: {wanted}"),
            value,
            unit,
            note: [verdict, &ends].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "),
        });
    }
    report.print_table();
}

fn target(what: &'static str, values: Vec<f64>, unit: &'static str, bound: Bound) -> Target {
    Target { what, values, unit, bound }
}

fn speed(report: &Report) -> Vec<Target> {
    let drained = |peer| ratios::of(report, "drain", "applied", peer);
    let accepted = report.values("sustain", SATCHEL, "accepted");
    let backlog = report.values("sustain", SATCHEL, "backlog at the end");
    let backlog_s = backlog.iter().zip(&accepted).map(|(jobs, rate)| jobs / rate.max(1.0)).collect();
    vec![
        target("drain, against bullmq", drained("bullmq"), "times", Bound::AtLeast(12.0)),
        target("drain, against graphile", drained("graphile"), "times", Bound::AtLeast(9.0)),
        target("sustain, against bullmq", ratios::sustained(report, "bullmq"), "times", Bound::AtLeast(10.0)),
        target("sustain, backlog at the end", backlog_s, "s", Bound::AtMost(MAX_BACKLOG_S)),
    ]
}

fn latencies(report: &Report) -> Vec<Target> {
    let at_rate = |rate, metric| report.values(&latency::scenario(rate), SATCHEL, metric);
    let against = |peer| ratios::of(report, &latency::scenario(1_000), "p99", peer);
    vec![
        target("p50 at 200/s", at_rate(200, "p50"), "ms", Bound::AtMost(1.5)),
        target("p50 at 1,000/s", at_rate(1_000, "p50"), "ms", Bound::AtMost(2.5)),
        target("p99 at 1,000/s", at_rate(1_000, "p99"), "ms", Bound::AtMost(6.0)),
        target("p99 at 1,000/s, against bullmq", against("bullmq"), "times", Bound::AtMost(1.0)),
        target("p99 at 1,000/s, against bullmq-rust", against("bullmq-rust"), "times", Bound::AtMost(1.0)),
        target("p99 at 1,000/s, against graphile", against("graphile"), "times", Bound::AtMost(1.0)),
        target("p99 at 1,000/s, against restate", against("restate"), "times", Bound::AtMost(1.0)),
    ]
}

fn costs(report: &Report) -> Vec<Target> {
    let own = |scenario, metric| report.values(scenario, SATCHEL, metric);
    let most = |metric| report.most(SATCHEL, metric).into_iter().collect();
    vec![
        target("cpu per job, drain", own("drain", "cpu per job, all"), "µs", Bound::AtMost(25.0)),
        target("cpu per job, sustain", own("sustain", "cpu per job, all"), "µs", Bound::AtMost(45.0)),
        target("log per job", own("profile of drain", "log of Postgres"), "B", Bound::AtMost(700.0)),
        target("peak memory, api", most("peak memory, api"), "MiB", Bound::AtMost(40.0)),
        target("peak memory, worker", most("peak memory, worker"), "MiB", Bound::AtMost(80.0)),
    ]
}

/// One part of Satchel beside another.
fn parts(report: &Report) -> Vec<Target> {
    let own = |scenario: &str, metric| report.values(scenario, SATCHEL, metric);
    let sustained = |scenario: &str| ratios::lesser(report, scenario, SATCHEL);
    let drained = |scenario: &str| own(scenario, "applied");
    let busy = "functions, sustain";
    vec![
        target("inventory reads, of pgbench -S", own("query", "of pgbench -S"), "%", Bound::AtLeast(40.0)),
        target("skew, of uniform", percent(&drained("skew"), &drained("skew, uniform")), "%", Bound::AtLeast(70.0)),
        target(
            "journal, of sustain",
            percent(&sustained("journal"), &sustained("journal, without")),
            "%",
            Bound::AtLeast(70.0),
        ),
        target(
            "drain with functions busy, of that without",
            percent(&drained("functions, drain"), &drained("functions, drain, without")),
            "%",
            Bound::AtLeast(90.0),
        ),
        target(
            "sustain with functions busy, of that without",
            percent(&sustained(busy), &sustained(&format!("{busy}, without"))),
            "%",
            Bound::AtLeast(90.0),
        ),
    ]
}

fn growth(report: &Report) -> Vec<Target> {
    let grown = |metric| report.values("growth at 50 million", SATCHEL, metric);
    vec![
        target("50 million records: drain, of that when empty", grown(DRAIN_OF_EMPTY), "%", Bound::AtLeast(80.0)),
        target(
            "50 million records: inventory p99, of that when empty",
            grown(P99_OF_EMPTY),
            "times",
            Bound::AtMost(1.2),
        ),
        target("50 million records: history page, p99", grown("history page, p99"), "ms", Bound::AtMost(5.0)),
        target("50 million records: job status, p99", grown("job status, p99"), "ms", Bound::AtMost(2.0)),
    ]
}

fn percent(values: &[f64], of: &[f64]) -> Vec<f64> {
    values.iter().zip(of).map(|(value, of)| 100.0 * value / of.max(f64::MIN_POSITIVE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_or_missed_by_what_was_measured_and_left_out_without() {
        let mut report = Report::new(false);
        for peer in [5_000.0, 8_000.0] {
            report.figure("drain", SATCHEL, "applied", 80_000.0, "jobs/s");
            report.figure("drain", "bullmq", "applied", peer, "jobs/s");
        }
        report.figure("drain", "graphile", "applied", 10_000.0, "jobs/s");
        report.figure("sustain", SATCHEL, "peak memory, api", 30.0, "MiB");
        report.figure("journal", SATCHEL, "peak memory, api", 50.0, "MiB");
        super::report(&mut report);
        let rows = report.rows().iter().filter(|row| row.scenario == "targets");
        let rows: Vec<_> = rows.map(|row| (row.metric.as_str(), row.value, row.note.as_str())).collect();
        assert_eq!(
            rows,
            [
                ("drain, against bullmq: at least 12.0", 13.0, "10.0 to 16.0"),
                ("drain, against graphile: at least 9.00", 8.0, "MISSED"),
                ("peak memory, api: at most 40.0", 50.0, "MISSED"),
            ]
        );
    }
}
