//! `satchel audit`: proves that what is stored holds together.

use anyhow::{Context, Result, bail};
use clap::Args;
use satchel_store::{Pool, PoolConfig, Program, audit};

use crate::settings::Settings;

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(args: AuditArgs) -> Result<()> {
    let mut env = args.settings.environment()?.reader();
    let config = PoolConfig::from_env(&mut env, Program::Api, "satchel-audit", 1);
    env.finish()?;
    let pool = Pool::new(&config).context("cannot use DATABASE_URL")?;
    let report = audit::check(&pool).await.context("cannot read the ledger")?;
    pool.close().await;
    for finding in &report.findings {
        println!("{finding}");
    }
    if !report.findings.is_empty() {
        bail!("{} findings in {} ledger entries", report.findings.len(), report.entries);
    }
    println!("{} ledger entries: every chain, head, balance and holding holds together", report.entries);
    Ok(())
}
