//! `satchel ledger rekey`

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use satchel_security::ledger_keys;
use satchel_store::rekey::{self, Rekeyed};

use crate::owner;
use crate::settings::Settings;

/// How often it says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Sign all heads and records anew by `SATCHEL_LEDGER_KEY`, beside working workers. What neither that key nor
    /// `SATCHEL_LEDGER_KEY_PREVIOUS` has signed is listed and left as it is.
    Rekey(Settings),
}

pub(crate) async fn run(command: LedgerCommand) -> Result<()> {
    let LedgerCommand::Rekey(settings) = command;
    let mut env = settings.environment()?.reader();
    let url = owner::url(&mut env);
    let keys = ledger_keys::from_env(&mut env);
    env.finish()?;
    let pool = owner::pool(url, "satchel-ledger")?;
    let mut told_at = Instant::now();
    let tell = |done: &Rekeyed| {
        if told_at.elapsed() >= TOLD_EVERY {
            told_at = Instant::now();
            eprintln!("{}", progress(done));
        }
    };
    let done =
        rekey::run(&pool, &keys, tell).await.context("cannot sign anew; what was signed stays: start it again")?;
    pool.close().await;
    eprintln!("{}", progress(&done));
    for untrusted in &done.listed {
        println!("{untrusted}");
    }
    let Rekeyed { untrusted, listed, .. } = &done;
    if *untrusted > 0 {
        bail!(
            "{untrusted} are not as SATCHEL_LEDGER_KEY or SATCHEL_LEDGER_KEY_PREVIOUS signed them ({} listed)",
            listed.len()
        );
    }
    println!("all are signed by SATCHEL_LEDGER_KEY: SATCHEL_LEDGER_KEY_PREVIOUS can be taken away");
    Ok(())
}

fn progress(done: &Rekeyed) -> String {
    let Rekeyed { heads, records, signed, untrusted, .. } = done;
    format!("{heads} heads and {records} records read, {signed} of them signed anew, {untrusted} not trusted")
}
