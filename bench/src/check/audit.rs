//! E: every hash chain verifies.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result};
use chrono::DateTime;
use satchel_model::ids::{JobId, Shard, Uid, UserKey};
use satchel_model::ledger::{ChainFault, ChainHash, ChainVerifier, Head, LedgerKey, LedgerKeys, Record, Seal};

use crate::stand::programs;
use crate::stand::satchel::LEDGER_KEY;
use crate::stand::schema::{HEADS, RECORDS};
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
    let keys = LedgerKeys { current: LedgerKey::new(LEDGER_KEY.as_bytes())?, previous: None };
    let mut ledgers = BTreeMap::new();
    sql.for_each_row(HEADS, |columns| {
        let (user, ledger) = ledger(columns).with_context(|| format!("a head that cannot be read: {columns:?}"))?;
        ledgers.insert(user, ledger);
        Ok(())
    })?;
    sql.for_each_row(RECORDS, |columns| {
        let record = record(columns).with_context(|| format!("a record that cannot be read: {columns:?}"))?;
        ledgers.get_mut(&record.user).context("a record of nobody")?.follow(&record);
        Ok(())
    })?;
    let faults = ledgers.iter().filter_map(|(user, ledger)| {
        let fault = ledger.fault(user.uid, &keys)?;
        Some(format!("E: user {}: {fault}", ledger.user_id))
    });
    Ok(faults.take(MAX_LINES).collect())
}

/// A player's ledger: where it should end, and how far it was followed.
struct Ledger {
    user_id: String,
    head: Head,
    mac: Vec<u8>,
    chain: Result<ChainVerifier, ChainFault>,
}

impl Ledger {
    /// One fault is enough: after it every later record is off as well.
    fn follow(&mut self, record: &Record) {
        let Ok(chain) = &mut self.chain else { return };
        if let Err(fault) = chain.follow(record) {
            self.chain = Err(fault);
        }
    }

    fn fault(&self, uid: Uid, keys: &LedgerKeys) -> Option<String> {
        match &self.chain {
            Err(fault) => Some(fault.to_string()),
            Ok(chain) if chain.head() != (self.head.version, self.head.hash) => {
                Some("the head is not the end of the ledger".to_owned())
            }
            Ok(_) => keys.check_head(uid, &self.head, Some(&self.mac)).err().map(|fault| format!("the head: {fault}")),
        }
    }
}

/// Reads a row of [`HEADS`].
fn ledger(columns: &[&str]) -> Option<(UserKey, Ledger)> {
    let &[shard, uid, user_id, version, hash, decided_at, mac] = columns else { return None };
    let head = Head {
        version: version.parse().ok()?,
        hash: chain_hash(hash)?,
        decided_at: if decided_at.is_empty() { None } else { Some(moment(decided_at)?) },
        is_blocked: false,
    };
    let (user_id, mac) = (user_id.to_owned(), hex::decode(mac).ok()?);
    Some((user(shard, uid)?, Ledger { user_id, head, mac, chain: Ok(ChainVerifier::default()) }))
}

/// Reads a row of [`RECORDS`].
fn record(columns: &[&str]) -> Option<Record> {
    let &[shard, uid, seq, count, job_id, is_rejected, at, seal, body] = columns else { return None };
    Some(Record {
        user: user(shard, uid)?,
        seq: seq.parse().ok()?,
        count: count.parse().ok()?,
        job_id: if job_id.is_empty() { None } else { Some(JobId::parse(job_id).ok()?) },
        is_rejected: is_rejected == "t",
        at: moment(at)?,
        // COPY writes a backslash twice; JSON has nothing else that it would escape.
        body: body.replace(r"\\", r"\"),
        seal: Seal::Chained(chain_hash(seal)?),
    })
}

fn user(shard: &str, uid: &str) -> Option<UserKey> {
    Some(UserKey { shard: Shard::new(shard.parse().ok()?), uid: Uid::new(uid.parse().ok()?) })
}

fn moment(micros: &str) -> Option<DateTime<chrono::Utc>> {
    DateTime::from_timestamp_micros(micros.parse().ok()?)
}

fn chain_hash(text: &str) -> Option<ChainHash> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(ChainHash(hash))
}
