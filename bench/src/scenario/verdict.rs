//! Checks what a run has done, and says what is wrong.

use anyhow::Result;

use crate::check::Check;
use crate::load::job::Accepted;
use crate::report::{Report, Row};
use crate::stand::contender::Contender;

/// Checks the invariants after `jobs` jobs, of which `accepted` are known by id (all or none), and reports faults.
pub(super) fn report(
    report: &mut Report,
    scenario: &str,
    contender: &dyn Contender,
    accepted: &[Accepted],
    jobs: usize,
) -> Result<()> {
    let name = contender.kind().name();
    eprintln!("bench: {scenario}, {name}: checking {jobs} jobs");
    let verdict = Check::new(contender, accepted, jobs)?.run()?;
    for violation in &verdict.violations {
        report.fault(scenario, name, violation);
    }
    report.add(Row {
        scenario: scenario.to_owned(),
        contender: name.to_owned(),
        metric: "invariants violated".to_owned(),
        value: f64::from(u32::try_from(verdict.violations.len())?),
        unit: "",
        note: disorder_note(verdict.disorders),
    });
    Ok(())
}

fn disorder_note(disorders: u64) -> String {
    match disorders {
        0 => String::new(),
        count => {
            format!("{count} times a user's later job was applied before an earlier one (not promised by this peer)")
        }
    }
}
