//! `satchel functions …`: what operators see of functions and do about their runs, as by HTTP.

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use satchel_model::ids::{EventName, FunctionId, Reason, RequestId, RunId, UserId};
use satchel_store::actions::Operator;
use satchel_store::functions::backlog::{self, Backlog, FunctionInfo};
use satchel_store::functions::cancel::{self, Cancelled, Filter};
use satchel_store::functions::replays::{self, Replay};
use satchel_store::functions::{Run, RunStatus, steps};
use satchel_store::functions::{operate, pause};
use satchel_store::{Pool, PoolConfig, Program};
use satchel_wire::Fresh;
use serde_json::json;

use crate::settings::Settings;

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
    /// End a run, or all runs of a function that fit: at once, or before their next step.
    Cancel(CancelArgs),
    /// Let no run of a function begin, on any worker, until it is resumed.
    Pause(PauseArgs),
    /// Let a function's runs begin again.
    Resume(PauseArgs),
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
pub(crate) struct CancelArgs {
    /// The run's id, or the function's: then all its runs that have not ended and fit what follows.
    id: String,
    /// Only runs with this status: held, queued, retrying, sleeping or running.
    #[arg(long, value_parser = status)]
    status: Option<RunStatus>,
    /// Only runs for this target.
    #[arg(long)]
    target: Option<String>,
    /// Only runs about this user.
    #[arg(long)]
    user: Option<String>,
    /// Only runs for events of this name.
    #[arg(long)]
    name: Option<String>,
    /// Only runs made from this moment on, e.g. 2026-01-31T12:00:00Z.
    #[arg(long)]
    from: Option<DateTime<Utc>>,
    /// Only runs made before this moment.
    #[arg(long)]
    to: Option<DateTime<Utc>>,
    /// Why; each run will tell.
    #[arg(long)]
    reason: Option<String>,
    /// Only say how many there are.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
pub(crate) struct PauseArgs {
    /// The function's id.
    function_id: String,
    /// Why.
    #[arg(long)]
    reason: Option<String>,
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
    /// Events of quiet jobs as well.
    #[arg(long)]
    include_quiet: bool,
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
        FunctionsCommand::Pause(args) => set_paused(&args, true).await,
        FunctionsCommand::Resume(args) => set_paused(&args, false).await,
        FunctionsCommand::Replay(args) => replay(&args).await,
    }
}

async fn list(settings: &Settings) -> Result<()> {
    let functions = backlog::functions(&pool(settings)?).await.context("cannot read the functions")?;
    if functions.is_empty() {
        println!("no worker has run a function yet");
    }
    for function in functions {
        let FunctionInfo { function_id, seen_at, pause, backlog: Backlog { unfinished, backlog, lag_ms, .. }, .. } =
            function;
        let paused = if pause.is_paused { "  paused" } else { "" };
        let lag = lag_ms.map_or(String::new(), |lag| format!(", the oldest for {} s", lag / 1_000));
        println!("{function_id}  unfinished {unfinished}  waiting {backlog}{lag}  seen {seen_at}{paused}");
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
    let run = find(&pool, &args.run_id).await?;
    let steps = steps::of_run(&pool, run.run_id).await.context("cannot read the steps")?;
    println!("{}", serde_json::to_string_pretty(&json!({"run": run, "steps": steps}))?);
    Ok(())
}

async fn retry(args: &RunArgs) -> Result<()> {
    let pool = pool(&args.settings)?;
    let run = find(&pool, &args.run_id).await?;
    let request_id = RequestId::random();
    let by = Operator { actor: ACTOR, request_id: request_id.as_str() };
    if !operate::retry(&pool, run.run_id, &by).await.context("cannot retry the run")? {
        bail!("only a run that failed or was cancelled can be retried; this one is {}", run.status.as_str());
    }
    println!("{} is queued again", run.run_id);
    Ok(())
}

async fn cancel(args: &CancelArgs) -> Result<()> {
    let pool = pool(&args.settings)?;
    let request_id = RequestId::random();
    let by = Operator { actor: ACTOR, request_id: request_id.as_str() };
    if RunId::parse(&args.id).is_err() {
        return cancel_many(&pool, args, &by).await;
    }
    let run = find(&pool, &args.id).await?;
    if !operate::cancel(&pool, run.run_id, &by).await.context("cannot cancel the run")? {
        bail!("the run has ended: it is {}", run.status.as_str());
    }
    println!("{} is cancelled; if it is running, before its next step", run.run_id);
    Ok(())
}

/// In portions, each of which is told of when it is done.
async fn cancel_many(pool: &Pool, args: &CancelArgs, by: &Operator<'_>) -> Result<()> {
    let function_id = function(pool, &args.id).await?;
    let filter = Filter {
        status: args.status,
        target: args.target.clone(),
        user_id: args.user.as_deref().map(UserId::parse).transpose().context("--user")?,
        event_name: args.name.as_deref().map(EventName::parse).transpose().context("--name")?,
        from: args.from,
        to: args.to,
    };
    let reason = args.reason.as_deref().map(Reason::parse).transpose().context("--reason")?;
    let count = cancel::count(pool, &function_id, &filter).await.context("cannot count the runs")?;
    if args.dry_run {
        println!("{count} runs fit{}", or_more(count));
        return Ok(());
    }
    loop {
        let cancelling = cancel::cancel(pool, &function_id, &filter, reason.as_ref().map(Reason::as_str), by);
        let Cancelled { cancelled, remaining } = cancelling.await.context("cannot cancel the runs")?;
        println!("{cancelled} runs are cancelled, {remaining} remain{}", or_more(remaining));
        if cancelled == 0 || remaining == 0 {
            return Ok(());
        }
    }
}

/// A count ends somewhere.
fn or_more(count: i64) -> &'static str {
    if count >= cancel::MAX_COUNTED { " or more" } else { "" }
}

async fn set_paused(args: &PauseArgs, paused: bool) -> Result<()> {
    let pool = pool(&args.settings)?;
    let function_id = function(&pool, &args.function_id).await?;
    let reason = args.reason.as_deref().map(Reason::parse).transpose().context("--reason")?;
    let request_id = RequestId::random();
    let by = Operator { actor: ACTOR, request_id: request_id.as_str() };
    let set = pause::set(&pool, &function_id, paused, reason.as_ref().map(Reason::as_str), &by).await;
    set.context("cannot write it")?;
    println!("{function_id} is {}", if paused { "paused: no run begins" } else { "resumed" });
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
        include_quiet: args.include_quiet,
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
    let config = PoolConfig::from_env(&mut env, Program::Api, "satchel-functions-cli", 1);
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

async fn find(pool: &Pool, id: &str) -> Result<Run> {
    let run_id = RunId::parse(id).with_context(|| format!("the run id {id:?}"))?;
    let run = operate::run(pool, run_id).await.context("cannot read the run")?;
    run.with_context(|| format!("there is no run {run_id}"))
}
