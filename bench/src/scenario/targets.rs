//! The targets: ratios of one run on one machine, with everything on it.

use super::latency;
use crate::report::{Report, Row, number};

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
    value: Option<f64>,
    unit: &'static str,
    bound: Bound,
}

/// Reports for each target whether it is met; what was not measured is left out.
pub(crate) fn report(report: &mut Report) {
    for Target { what, value, unit, bound } in targets(report) {
        let Some(value) = value else { continue };
        let (is_met, wanted) = match bound {
            Bound::AtLeast(least) => (value >= least, format!("at least {}", number(least))),
            Bound::AtMost(most) => (value <= most, format!("at most {}", number(most))),
        };
        report.add(Row {
            scenario: "targets".to_owned(),
            contender: SATCHEL.to_owned(),
            metric: format!("{what}: {wanted}"),
            value,
            unit,
            note: if is_met { String::new() } else { "MISSED".to_owned() },
        });
    }
    report.print_table();
}

fn targets(report: &Report) -> Vec<Target> {
    let value = |scenario: &str, contender: &str, metric: &str| report.value(scenario, contender, metric);
    let own = |scenario: &str, metric: &str| value(scenario, SATCHEL, metric);
    let target = |what, value, unit, bound| Target { what, value, unit, bound };
    let at_rate = |rate, contender: &str, metric: &str| value(&latency::scenario(rate), contender, metric);

    let drained = |peer: &str| ratio(own("drain", "applied"), value("drain", peer, "applied"));
    let sustained = |scenario: &str, contender: &str| {
        let (accepted, applied) =
            (value(scenario, contender, "accepted")?, value(scenario, contender, "applied meanwhile")?);
        Some(accepted.min(applied))
    };
    let backlog_s = ratio(own("sustain", "backlog at the end"), own("sustain", "accepted"));
    let p99_against = |peer: &str| ratio(at_rate(1_000, SATCHEL, "p99"), at_rate(1_000, peer, "p99"));
    let percent = |value: Option<f64>| value.map(|value| value * 100.0);
    let growth = |metric| own("growth at 50 million", metric);
    vec![
        target("drain, against bullmq", drained("bullmq"), "times", Bound::AtLeast(15.0)),
        target("drain, against graphile", drained("graphile"), "times", Bound::AtLeast(12.0)),
        target(
            "sustain, against bullmq",
            ratio(sustained("sustain", SATCHEL), sustained("sustain", "bullmq")),
            "times",
            Bound::AtLeast(10.0),
        ),
        target("sustain, backlog at the end", backlog_s, "s", Bound::AtMost(MAX_BACKLOG_S)),
        target("p99 at 1,000/s", at_rate(1_000, SATCHEL, "p99"), "ms", Bound::AtMost(7.0)),
        target("p99 at 1,000/s, against bullmq", p99_against("bullmq"), "times", Bound::AtMost(1.0)),
        target("p99 at 1,000/s, against graphile", p99_against("graphile"), "times", Bound::AtMost(1.0)),
        target("p50 at 200/s", at_rate(200, SATCHEL, "p50"), "ms", Bound::AtMost(2.0)),
        target("inventory reads, of pgbench -S", own("query", "of pgbench -S"), "%", Bound::AtLeast(40.0)),
        target(
            "skew, of uniform",
            percent(ratio(own("skew", "applied"), own("skew, uniform", "applied"))),
            "%",
            Bound::AtLeast(70.0),
        ),
        target(
            "drain at 50 million entries, of that when empty",
            growth("drain, of that of an empty ledger"),
            "%",
            Bound::AtLeast(80.0),
        ),
        target(
            "read p99 at 50 million entries, of that when empty",
            growth("read p99, of that of an empty ledger"),
            "times",
            Bound::AtMost(1.5),
        ),
        target("peak memory, api", report.most(SATCHEL, "peak memory, api"), "MiB", Bound::AtMost(40.0)),
        target("peak memory, worker", report.most(SATCHEL, "peak memory, worker"), "MiB", Bound::AtMost(80.0)),
        target(
            "journal, of sustain",
            percent(ratio(sustained("journal", SATCHEL), sustained("journal, without", SATCHEL))),
            "%",
            Bound::AtLeast(60.0),
        ),
        target(
            "drain with functions busy, of that without",
            percent(ratio(own("functions, drain", "applied"), own("functions, drain, without", "applied"))),
            "%",
            Bound::AtLeast(90.0),
        ),
        target(
            "sustain with functions busy, of that without",
            percent(ratio(sustained("functions, sustain", SATCHEL), sustained("functions, sustain, without", SATCHEL))),
            "%",
            Bound::AtLeast(90.0),
        ),
    ]
}

fn ratio(value: Option<f64>, of: Option<f64>) -> Option<f64> {
    Some(value? / of?.max(f64::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_or_missed_by_what_was_measured_and_left_out_without() {
        let mut report = Report::new(false);
        report.figure("drain", SATCHEL, "applied", 80_000.0, "jobs/s");
        report.figure("drain", "bullmq", "applied", 5_000.0, "jobs/s");
        report.figure("drain", "graphile", "applied", 8_000.0, "jobs/s");
        report.figure("sustain", SATCHEL, "peak memory, api", 30.0, "MiB");
        report.figure("journal", SATCHEL, "peak memory, api", 50.0, "MiB");
        super::report(&mut report);
        let rows = report.rows().iter().filter(|row| row.scenario == "targets");
        let rows: Vec<_> = rows.map(|row| (row.metric.as_str(), row.value, row.note.as_str())).collect();
        assert_eq!(
            rows,
            [
                ("drain, against bullmq: at least 15.0", 16.0, ""),
                ("drain, against graphile: at least 12.0", 10.0, "MISSED"),
                ("peak memory, api: at most 40.0", 50.0, "MISSED"),
            ]
        );
    }
}
