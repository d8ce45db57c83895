//! The command line.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use satchel_settings::init_logging;
use tokio::runtime::Builder;

use crate::environment::Environment;
use crate::{audit, catalogue, dev, functions, http, key, ledger, migrate, token};

/// What `satchel dev` logs: what the service says, not how its libraries come up.
const DEV_LOG_FILTER: &str = "info,actix_server=warn,actix_http=off,sqlx=warn";

/// How long work that cannot be cancelled may hold up the end of the process.
const LAST_PATIENCE: Duration = Duration::from_secs(30);

/// Satchel: game inventory and rewards, each job applied exactly once.
///
/// Without a command it is `satchel dev`: the whole service on this machine.
#[derive(Debug, Parser)]
#[command(name = "satchel", version, args_conflicts_with_subcommands = true)]
struct Satchel {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    dev: dev::DevArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole service here: API, workers and, unless `DATABASE_URL` and `REDIS_URL` are given, private
    /// Postgres and Redis.
    Dev(dev::DevArgs),
    /// Create or update the database schema, as its owner (`SATCHEL_OWNER_DATABASE_URL`).
    Migrate(migrate::MigrateArgs),
    /// Print a token for the configured secret (`SATCHEL_JWT_SECRET`).
    Token(token::TokenArgs),
    /// Manage API keys, as the owner of the schema (`SATCHEL_OWNER_DATABASE_URL`).
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Manage the item catalogue (`DATABASE_URL`).
    #[command(subcommand)]
    Catalogue(catalogue::CatalogueCommand),
    /// Check every hash chain, and that every balance is the sum of its history (`DATABASE_URL`).
    Audit(audit::AuditArgs),
    /// Change the key of the ledger, as the owner of the schema (`SATCHEL_OWNER_DATABASE_URL`).
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// See functions and their runs, and retry, cancel and replay them (`DATABASE_URL`).
    #[command(subcommand)]
    Functions(functions::FunctionsCommand),
    /// Succeed if a GET of this `http://` URL answers 200; for container health checks.
    Healthcheck {
        /// For example <http://127.0.0.1:8080/readyz>
        url: String,
    },
}

/// Runs the program: what it was asked for goes to standard output, logs and errors to standard error.
#[must_use]
pub fn run() -> ExitCode {
    let satchel = Satchel::parse();
    let result = match satchel.command.unwrap_or(Command::Dev(satchel.dev)) {
        Command::Dev(args) => block_on(DEV_LOG_FILTER, dev::run(args)),
        Command::Migrate(args) => block_on("warn", migrate::run(args)),
        Command::Token(args) => token::run(&args),
        Command::Key(command) => block_on("warn", key::run(command)),
        Command::Catalogue(command) => block_on("warn", catalogue::run(command)),
        Command::Audit(args) => block_on("warn", audit::run(args)),
        Command::Ledger(command) => block_on("warn", ledger::run(command)),
        Command::Functions(command) => block_on("warn", functions::run(command)),
        Command::Healthcheck { url } => http::check(&url),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("satchel: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes in one line. Some causes are told by the error above them already.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn block_on(log_filter: &str, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut env = Environment::process().reader();
    init_logging(&mut env, log_filter);
    env.finish()?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(work);
    // A server whose start was interrupted is stopped before we end.
    runtime.shutdown_timeout(LAST_PATIENCE);
    result
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_was_told_already_is_not_told_again() {
        let error = anyhow!("refused").context("Postgres: refused").context("cannot migrate");
        assert_eq!(told(&error), "cannot migrate: Postgres: refused");
    }

    #[test]
    fn the_command_line_is_sound_and_without_a_command_it_is_dev() {
        use clap::CommandFactory;
        Satchel::command().debug_assert();
        let satchel = Satchel::parse_from(["satchel", "--port", "0"]);
        assert!(satchel.command.is_none());
    }
}
