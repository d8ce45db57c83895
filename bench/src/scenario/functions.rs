//! `functions`: a drain while functions are busy with the events of its jobs, beside one without functions.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::drain::{self, Plan, parse_jobs};
use crate::bench::Bench;
use crate::load::blocking::Client;
use crate::stand::contender::Contender;
use crate::stand::receiver::Receiver;
use crate::stand::satchel::{Satchel, Settings};
use crate::stand::servers::Servers;

const NAME: &str = "satchel";
/// The receiver is on this machine.
const LOOPBACK: &str = "127.0.0.1/32";

/// How many jobs.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many jobs wait, each time.
    #[arg(long, default_value_t = 500_000, value_parser = parse_jobs)]
    pub(crate) jobs: usize,
}

/// Both drains of Satchel, one after the other in the same conditions. With functions, every event is to be posted to a
/// webhook endpoint that answers at once, so that there is always something to do.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let plan = Plan { jobs: options.jobs, workers: 1, hot_percent: 0 };
    let mut without = Satchel::start(Servers::start(bench.dir())?, &Settings::default())?;
    drain::measure(bench, "functions, without", &mut without, plan)?;
    drop(without);

    let allow = ("SATCHEL_OUTBOUND_ALLOW".to_owned(), LOOPBACK.to_owned());
    let webhooks = ("SATCHEL_WEBHOOKS".to_owned(), "on".to_owned());
    let settings = Settings { api_env: vec![allow.clone()], worker_env: vec![allow, webhooks] };
    let mut with = Satchel::start(Servers::start(bench.dir())?, &settings)?;
    let receiver = Receiver::start()?;
    let endpoint = json!({"url": receiver.url()}).to_string();
    let token = with.token("operator", "bench")?;
    Client::open(with.address())?.send("POST", "/api/v1/webhooks", &token, endpoint.as_bytes(), 201)?;
    drain::measure(bench, "functions", &mut with, plan)?;
    let posted = f64::from(u32::try_from(receiver.received())?);
    bench.report.figure("functions", NAME, "posted to a webhook meanwhile", posted, "events");
    bench.report.print_table();
    Ok(())
}
