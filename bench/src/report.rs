//! What was measured: a table for people, or a JSON object per line for programs.
//!
//! What is measured in several rounds has a row of each: their median counts, and their spread is told.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;

use crate::spread;

/// One measured figure.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// Which scenario, with its variant if it has some: `drain`, `latency at 200/s`.
    pub(crate) scenario: String,
    /// Who was measured: `satchel`, `bullmq`, `graphile`, `pgbench`…
    pub(crate) contender: String,
    /// What was measured: `jobs per second`, `p99`…
    pub(crate) metric: String,
    /// How much.
    pub(crate) value: f64,
    /// Of what: `jobs/s`, `ms`, `MiB`, `s`, `%`.
    pub(crate) unit: &'static str,
    /// What must be known to read it; empty for nothing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
}

/// All rows of a run, and whether everything was right.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    rows: Vec<Row>,
    /// Rows before this one have been printed in a table.
    printed: usize,
    faults: Vec<String>,
}

impl Report {
    /// An empty one; with `json`, rows are printed as they come, and no tables.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, rows: Vec::new(), printed: 0, faults: Vec::new() }
    }

    /// Adds a figure without a note.
    pub(crate) fn figure(&mut self, scenario: &str, contender: &str, metric: &str, value: f64, unit: &'static str) {
        self.add(Row {
            scenario: scenario.to_owned(),
            contender: contender.to_owned(),
            metric: metric.to_owned(),
            value,
            unit,
            note: String::new(),
        });
    }

    /// Adds a row.
    pub(crate) fn add(&mut self, row: Row) {
        if self.json
            && let Ok(line) = serde_json::to_string(&row)
        {
            say(&format!("{line}\n"));
        }
        self.rows.push(row);
    }

    /// Notes that a contender did something wrong: the run has failed, however fast it was. With `--json` a line
    /// `{"scenario","contender","fault"}`.
    pub(crate) fn fault(&mut self, scenario: &str, contender: &str, fault: &str) {
        if self.json {
            let line = serde_json::json!({"scenario": scenario, "contender": contender, "fault": fault});
            say(&format!("{line}\n"));
        }
        eprintln!("bench: WRONG: {scenario}, {contender}: {fault}");
        self.faults.push(format!("{scenario}, {contender}: {fault}"));
    }

    /// All figures.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What was wrong.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    /// The figure of a row, the median if there are several.
    pub(crate) fn value(&self, scenario: &str, contender: &str, metric: &str) -> Option<f64> {
        spread::median(&self.values(scenario, contender, metric))
    }

    /// The figures of all rounds, in their order.
    pub(crate) fn values(&self, scenario: &str, contender: &str, metric: &str) -> Vec<f64> {
        let same = |row: &&Row| row.scenario == scenario && row.contender == contender && row.metric == metric;
        self.rows.iter().filter(same).map(|row| row.value).collect()
    }

    /// The highest figure of this name in any scenario.
    pub(crate) fn most(&self, contender: &str, metric: &str) -> Option<f64> {
        let same = |row: &&Row| row.contender == contender && row.metric == metric;
        self.rows.iter().filter(same).map(|row| row.value).max_by(f64::total_cmp)
    }

    /// Prints a table of what came since the last one, a column per contender.
    pub(crate) fn print_table(&mut self) {
        let rows = self.rows.get(self.printed..).unwrap_or_default();
        if !self.json {
            say(&table(rows));
        }
        self.printed = self.rows.len();
    }
}

/// Standard output may be gone; that stops nothing.
fn say(text: &str) {
    let mut output = io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

/// A table for each scenario: a line per metric, a column per contender, and the notes below.
fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for scenario in firsts(rows.iter().map(|row| row.scenario.as_str())) {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.scenario == scenario).collect();
        let contenders = firsts(rows.iter().map(|row| row.contender.as_str()));
        let mut lines =
            vec![[&[scenario, ""], contenders.as_slice()].concat().iter().map(ToString::to_string).collect()];
        for (metric, unit) in firsts(rows.iter().map(|row| (row.metric.as_str(), row.unit))) {
            let cell = |contender: &&str| {
                let same = rows.iter().filter(|row| row.metric == metric && row.contender == *contender);
                spread::told(&same.map(|row| row.value).collect::<Vec<_>>())
            };
            let mut line = vec![metric.to_owned(), unit.to_owned()];
            line.extend(contenders.iter().map(cell));
            lines.push(line);
        }
        text.push_str(&aligned(&lines));
        let noted = rows.iter().filter(|row| !row.note.is_empty());
        for (contender, metric, note) in firsts(noted.map(|row| (&*row.contender, &*row.metric, &*row.note))) {
            // Writing to a text does not fail.
            let _ = writeln!(text, "  {contender}, {metric}: {note}");
        }
        text.push('\n');
    }
    text
}

/// Each different value once, in the order of first appearance.
fn firsts<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    values.filter(|value| seen.insert(*value)).collect()
}

/// Columns as wide as their widest cell: the first two to the left, figures to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for line in lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_line_per_metric_and_a_column_per_contender() {
        let mut report = Report::new(false);
        report.figure("drain", "satchel", "rate", 80_000.0, "jobs/s");
        report.figure("drain", "satchel", "peak memory", 60.0, "MiB");
        report.figure("drain", "bullmq", "rate", 5_000.0, "jobs/s");
        if let Some(row) = report.rows.last_mut() {
            row.note = "2 processes".to_owned();
        }
        let expected = "drain                satchel  bullmq\n\
                        rate         jobs/s   80,000   5,000\n\
                        peak memory  MiB        60.0\n  bullmq, rate: 2 processes\n\n";
        assert_eq!(table(&report.rows), expected);
        assert_eq!(report.value("drain", "bullmq", "rate"), Some(5_000.0));
    }
}
