//! `satchel migrate`

use anyhow::{Context, Result};
use clap::Args;
use satchel_model::ids::ShardCount;
use satchel_store::{Program, RolePasswords};

use crate::environment::Environment;
use crate::owner;
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// How many shards jobs are spread over. Fixed by the first migration, by default at 64.
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(args: MigrateArgs) -> Result<()> {
    let shards = match args.shards {
        None => None,
        Some(count) => {
            Some(ShardCount::new(count).with_context(|| format!("--shards must be from 1 to {}", ShardCount::MAX))?)
        }
    };
    migrate(&args.settings.environment()?, shards).await?;
    println!("the database is up to date");
    Ok(())
}

/// Brings the database of `SATCHEL_OWNER_DATABASE_URL` up to date.
pub(crate) async fn migrate(environment: &Environment, shards: Option<ShardCount>) -> Result<()> {
    let mut env = environment.reader();
    let owner_url = owner::url(&mut env);
    let passwords = RolePasswords {
        api: env.optional_secret(Program::Api.password_setting()),
        worker: env.optional_secret(Program::Worker.password_setting()),
    };
    env.finish()?;
    satchel_store::migrate(&owner_url, &passwords, shards).await.context("cannot migrate the database")
}
