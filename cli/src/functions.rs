//! `satchel functions …`: what operators see of functions and do about their runs, as by HTTP.

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use satchel_shared::domain::{EventName, FunctionId, RequestId, RunId, UserId};
use satchel_shared::store::actions::Operator;
use satchel_shared::store::functions::operate;
use satchel_shared::store::functions::replays::{self, Replay};
use satchel_shared::store::functions::{Run, RunStatus, steps};
use satchel_shared::store::{Pool, PoolConfig};
use serde_json::json;

use crate::command::Settings;

/// Who acts, as the record of actions has it.
const ACTOR: &str = "operator:cli";

#[derive(Debug, Subcommand)]
pub(crate) enum FunctionsCommand {
    /// List the functions that workers run, and how many of their runs are unfinished.
    List(Settings),
    /// List a function's runs, newest first.
    Runs(RunsArgs),
    /// Show a run and the steps that it has done, as JSON.
    Show(RunArgs),
    /// Have a run that failed or was cancelled go on where it was.
    Retry(RunArgs),
    /// End a run: at once, or before its next step.
    Cancel(RunArgs),
    /// Give the events of a time to a function again, in runs of their own.
    Replay(ReplayArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// The function's id.
    function_id: String,
    /// Only runs with this status: queued, running, retrying, sleeping, succeeded, failed or cancelled.
    #[arg(long, value_parser = status)]
    status: Option<RunStatus>,
    /// Most runs listed.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The run's id.
    run_id: String,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The function's id.
    function_id: String,
    /// Events from this moment on, e.g. 2026-01-31T12:00:00Z.
    #[arg(long)]
    from: DateTime<Utc>,
    /// Events before this moment.
    #[arg(long)]
    to: DateTime<Utc>,
    /// Only events of this name.
    #[arg(long)]
    name: Option<String>,
    /// Only events about this user.
    #[arg(long)]
    user: Option<String>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) async fn run(command: FunctionsCommand) -> Result<()> {
    match command {
        FunctionsCommand::List(settings) => list(&settings).await,
        FunctionsCommand::Runs(args) => runs(&args).await,
        FunctionsCommand::Show(args) => show(&args).await,
        FunctionsCommand::Retry(args) => retry(&args).await,
        FunctionsCommand::Cancel(args) => cancel(&args).await,
        FunctionsCommand::Replay(args) => replay(&args).await,
    }
}

async fn list(settings: &Settings) -> Result<()> {
    let functions = operate::functions(&pool(settings)?).await.context("cannot read the functions")?;
    if functions.is_empty() {
        println!("no worker has run a function yet");
    }
    for function in functions {
        println!("{}  unfinished {}  seen {}", function.function_id, function.unfinished, function.seen_at);
    }
    Ok(())
}

async fn runs(args: &RunsArgs) -> Result<()> {
    let pool = pool(&args.settings)?;
    let function_id = function(&pool, &args.function_id).await?;
    let runs = operate::runs(&pool, &function_id, args.status, None, None, args.limit).await;
    for run in runs.context("cannot read the runs")? {
        let Run { run_id, status, event_name, user_id, attempts, created_at, failures, .. } = run;
        let error = failures.last().map_or(String::new(), |failure| format!("  {}", failure.error));
        println!("{run_id}  {}  {event_name} {user_id}  attempts {attempts}  {created_at}{error}", status.as_str());
    }
    Ok(())
}

async fn show(args: &RunArgs) -> Result<()> {
    let pool = pool(&args.settings)?;
    let run = find(&pool, args).await?;
    let steps = steps::of_run(&pool, run.run_id).await.context("cannot read the steps")?;
    println!("{}", serde_json::to_string_pretty(&json!({"run": run, "steps": steps}))?);
    Ok(())
}

async fn retry(args: &RunArgs) -> Result<()> {
    let pool = pool(&args.settings)?;
    let run = find(&pool, args).await?;
    let request_id = RequestId::random();
    let by = Operator { actor: ACTOR, request_id: request_id.as_str() };
    if !operate::retry(&pool, run.run_id, &by).await.context("cannot retry the run")? {
        bail!("only a run that failed or was cancelled can be retried; this one is {}", run.status.as_str());
    }
    println!("{} is queued again", run.run_id);
    Ok(())
}

async fn cancel(args: &RunArgs) -> Result<()> {
    let pool = pool(&args.settings)?;
    let run = find(&pool, args).await?;
    let request_id = RequestId::random();
    let by = Operator { actor: ACTOR, request_id: request_id.as_str() };
    if !operate::cancel(&pool, run.run_id, &by).await.context("cannot cancel the run")? {
        bail!("the run has ended: it is {}", run.status.as_str());
    }
    println!("{} is cancelled; if it is running, before its next step", run.run_id);
    Ok(())
}

async fn replay(args: &ReplayArgs) -> Result<()> {
    if args.from > args.to {
        bail!("--from must not be after --to");
    }
    let pool = pool(&args.settings)?;
    let function_id = function(&pool, &args.function_id).await?;
    let replay = Replay {
        event_name: args.name.as_deref().map(EventName::parse).transpose().context("--name")?,
        user_id: args.user.as_deref().map(UserId::parse).transpose().context("--user")?,
        from: args.from,
        to: args.to,
    };
    let request_id = RequestId::random();
    let by = Operator { actor: ACTOR, request_id: request_id.as_str() };
    let begun = replays::ask(&pool, &function_id, &replay, &by).await.context("cannot begin the replay")?;
    println!("replay {}: {} events are looked at", begun.0, begun.1);
    Ok(())
}

fn status(text: &str) -> Result<RunStatus, String> {
    RunStatus::parse(text).ok_or_else(|| format!("must be one of {}", RunStatus::ALL.map(RunStatus::as_str).join(", ")))
}

fn pool(settings: &Settings) -> Result<Pool> {
    let mut env = settings.environment()?.reader();
    let config = PoolConfig::from_env(&mut env, "satchel-functions-cli", 1);
    env.finish()?;
    Pool::new(&config).context("cannot use DATABASE_URL")
}

async fn function(pool: &Pool, id: &str) -> Result<FunctionId> {
    let function_id = FunctionId::parse(id).with_context(|| format!("the function id {id:?}"))?;
    if !operate::is_known(pool, &function_id).await.context("cannot read the functions")? {
        bail!("no worker has ever run a function {function_id}");
    }
    Ok(function_id)
}

async fn find(pool: &Pool, args: &RunArgs) -> Result<Run> {
    let run_id = RunId::parse(&args.run_id).with_context(|| format!("the run id {:?}", args.run_id))?;
    let run = operate::run(pool, run_id).await.context("cannot read the run")?;
    run.with_context(|| format!("there is no run {run_id}"))
}
