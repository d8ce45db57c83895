//! E: every hash chain verifies.

use std::process::Command;

use anyhow::{Context, Result};
use chrono::DateTime;
use satchel_model::ids::{ItemId, JobId, UserId};
use satchel_model::ledger::{ChainHash, ChainVerifier, LedgerEntry};

use crate::stand::programs;
use crate::stand::schema::CHAINS;
use crate::stand::seed::People;
use crate::stand::sql::Psql;

/// Most lines of an audit that are repeated.
const MAX_LINES: usize = 3;

/// What does not verify: of all users by `satchel audit`, on a seeded database of the players alone, since the audit
/// reads everything.
pub(super) fn run(sql: &Psql, seeded: Option<&People>) -> Result<Vec<String>> {
    match seeded {
        None => whole(sql),
        Some(_) => players(sql),
    }
}

fn whole(sql: &Psql) -> Result<Vec<String>> {
    let mut audit = Command::new(programs::path("satchel")?);
    audit.arg("audit").env_clear().env("DATABASE_URL", sql.url());
    let output = audit.output().context("cannot run satchel audit")?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let (findings, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok(findings.lines().chain(error.lines()).take(MAX_LINES).map(|line| format!("E: {line}")).collect())
}

/// Follows the players' chains with the model's own verifier.
fn players(sql: &Psql) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    let mut current: Option<(String, ChainVerifier)> = None;
    sql.for_each_row(CHAINS, |columns| {
        let entry = entry(columns).with_context(|| format!("an entry that cannot be read: {columns:?}"))?;
        let chain = match &mut current {
            Some((user_id, chain)) if user_id == entry.user_id.as_str() => chain,
            _ => &mut current.insert((entry.user_id.to_string(), ChainVerifier::default())).1,
        };
        if let Err(fault) = chain.follow(&entry) {
            violations.push(format!("E: user {}: {fault}", entry.user_id));
        }
        let end = columns.get(16).zip(columns.get(17));
        let is_last = end.is_some_and(|(version, _)| *version == entry.seq.to_string());
        if is_last && end.is_some_and(|(_, head)| *head != hex::encode(entry.hash.0)) {
            violations.push(format!("E: user {}: the head is not the end of the ledger", entry.user_id));
        }
        Ok(())
    })?;
    violations.truncate(MAX_LINES);
    Ok(violations)
}

fn entry(columns: &[&str]) -> Option<LedgerEntry> {
    let column = |number: usize| columns.get(number).copied();
    let number = |place: usize| column(place)?.parse::<i64>().ok();
    let optional =
        |place: usize| Some((column(place + 1)? == "f").then(|| column(place)).flatten().map(ToOwned::to_owned));
    let mut hash = [0; 32];
    hex::decode_to_slice(column(15)?, &mut hash).ok()?;
    Some(LedgerEntry {
        user_id: UserId::parse(column(0)?).ok()?,
        seq: number(1)?,
        job_id: JobId::parse(column(2)?).ok()?,
        item_id: ItemId::parse(column(3)?).ok()?,
        delta: number(4)?,
        balance: number(5)?,
        job_type: column(6)?.to_owned().into(),
        actor: column(7)?.to_owned(),
        reason: optional(8)?,
        request_id: column(10)?.to_owned(),
        cause: optional(11)?,
        catalogue_version: number(13)?,
        at: DateTime::from_timestamp_micros(number(14)?)?,
        hash: ChainHash(hash),
    })
}
