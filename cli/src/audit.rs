//! `satchel audit`: proves that what is stored holds together.

use std::future::Future;
use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use satchel_security::ledger_keys;
use satchel_store::audit::{self, AuditReport, Progress};
use satchel_store::{Pool, PoolConfig, Program};
use tokio::time::timeout;

use crate::settings::Settings;

/// How often the bar is drawn.
const DRAWN_EVERY: Duration = Duration::from_millis(100);
const BAR: &str = "{bar:32} {human_pos} of about {human_len} records, {per_sec}, {eta} left";

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(args: AuditArgs) -> Result<()> {
    let environment = args.settings.environment()?;
    let mut env = environment.reader();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let connections = cores.min(audit::MAX_CONNECTIONS);
    let config = PoolConfig::from_env(&mut env, Program::Api, "satchel-audit", u32::try_from(connections)?);
    let has_keys = ["SATCHEL_LEDGER_KEY", "SATCHEL_LEDGER_KEY_PREVIOUS"].iter().any(|name| environment.names(name));
    let keys = has_keys.then(|| ledger_keys::from_env(&mut env));
    env.finish()?;
    let pool = Pool::new(&config).context("cannot use DATABASE_URL")?;
    let progress = Arc::default();
    let checking = audit::check(&pool, connections, keys, &progress);
    let report = watched(checking, &progress).await.context("cannot read the ledger")?;
    pool.close().await;
    tell(&report, has_keys)
}

/// The answer, with a bar meanwhile if standard error is a terminal.
async fn watched<T>(checking: impl Future<Output = T>, progress: &Progress) -> T {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    let mut checking = pin!(checking);
    loop {
        if let Ok(answer) = timeout(DRAWN_EVERY, &mut checking).await {
            bar.finish_and_clear();
            return answer;
        }
        bar.set_length(progress.expected().max(progress.records()));
        bar.set_position(progress.records());
    }
}

fn tell(report: &AuditReport, has_keys: bool) -> Result<()> {
    let AuditReport { records, changes, findings } = report;
    for finding in findings {
        println!("{finding}");
    }
    if !has_keys {
        eprintln!("satchel: without SATCHEL_LEDGER_KEY, signatures were not checked");
    }
    if !findings.is_empty() {
        bail!("{} findings in {records} records with {changes} changes", findings.len());
    }
    println!("{records} records with {changes} changes: every chain, head, balance and holding holds together");
    Ok(())
}
