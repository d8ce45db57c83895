//! How many times what a peer does Satchel does, round by round: a round meets the machine as it is at the moment, so that
//! its ratio is steadier than its figures.

use super::latency;
use crate::report::Report;
use crate::stand::contender::Kind;

/// Reports the ratios to every peer that was measured.
pub(super) fn report(report: &mut Report) {
    for peer in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Satchel).map(Kind::name) {
        let cpu = |scenario| inverse(of(report, scenario, "cpu per job, all", peer));
        let at_1000 = |metric| inverse(of(report, &latency::scenario(1_000), metric, peer));
        let ratios = [
            ("drain, applied", of(report, "drain", "applied", peer)),
            ("sustain, accepted and applied", sustained(report, peer)),
            ("drain, peer's cpu per job of Satchel's", cpu("drain")),
            ("sustain, peer's cpu per job of Satchel's", cpu("sustain")),
            ("p50 at 1,000/s, peer's of Satchel's", at_1000("p50")),
            ("p99 at 1,000/s, peer's of Satchel's", at_1000("p99")),
        ];
        for (metric, ratios) in ratios {
            for ratio in ratios {
                report.figure("ratios", peer, metric, ratio, "times");
            }
        }
    }
    report.print_table();
}

/// Satchel's figure of a peer's, in each round that has both.
pub(super) fn of(report: &Report, scenario: &str, metric: &str, peer: &str) -> Vec<f64> {
    let values = |contender| report.values(scenario, contender, metric);
    divided(&values(Kind::Satchel.name()), &values(peer))
}

/// The same of what is sustained.
pub(super) fn sustained(report: &Report, peer: &str) -> Vec<f64> {
    divided(&lesser(report, "sustain", Kind::Satchel.name()), &lesser(report, "sustain", peer))
}

/// What is accepted, or what is applied meanwhile if that is less, in each round.
pub(super) fn lesser(report: &Report, scenario: &str, contender: &str) -> Vec<f64> {
    let values = |metric| report.values(scenario, contender, metric);
    values("accepted").into_iter().zip(values("applied meanwhile")).map(|(one, other)| one.min(other)).collect()
}

fn divided(values: &[f64], of: &[f64]) -> Vec<f64> {
    values.iter().zip(of).map(|(value, of)| value / of.max(f64::MIN_POSITIVE)).collect()
}

fn inverse(ratios: Vec<f64>) -> Vec<f64> {
    ratios.into_iter().map(|ratio| 1.0 / ratio.max(f64::MIN_POSITIVE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_each_round() {
        let mut report = Report::new(false);
        for (satchel, peer) in [(30_000.0, 5_000.0), (20_000.0, 2_500.0)] {
            report.figure("drain", "satchel", "applied", satchel, "jobs/s");
            report.figure("drain", "bullmq", "applied", peer, "jobs/s");
            report.figure("drain", "satchel", "cpu per job, all", 50.0, "µs");
            report.figure("drain", "bullmq", "cpu per job, all", 300.0, "µs");
        }
        super::report(&mut report);
        assert_eq!(report.values("ratios", "bullmq", "drain, applied"), [6.0, 8.0]);
        assert_eq!(report.value("ratios", "bullmq", "drain, applied"), Some(7.0));
        assert_eq!(report.value("ratios", "bullmq", "drain, peer's cpu per job of Satchel's"), Some(6.0));
        assert_eq!(report.value("ratios", "graphile", "drain, applied"), None);
    }
}
