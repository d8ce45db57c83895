//! `functions`: a drain, and load by HTTP, while functions are busy with the events of the jobs, beside the same without
//! functions.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::drain::{self, parse_jobs};
use super::sustain;
use crate::bench::Bench;
use crate::load::blocking::Client;
use crate::stand::contender::Contender;
use crate::stand::receiver::Receiver;
use crate::stand::satchel::{Satchel, Settings};
use crate::stand::servers::Servers;

const NAME: &str = "satchel";
/// The receiver is on this machine.
const LOOPBACK: &str = "127.0.0.1/32";

/// How many jobs, and how hard.
#[derive(Debug, Args)]
// The other options that it takes along have the same name.
#[group(id = "functions")]
pub(crate) struct Options {
    /// How many jobs wait, each time.
    #[arg(long, default_value_t = 200_000, value_parser = parse_jobs)]
    pub(crate) jobs: usize,
    #[command(flatten)]
    pub(crate) load: sustain::Options,
}

/// Each of Satchel alone, one after the other in the same conditions.
pub(crate) fn run(bench: &mut Bench, options: &Options) -> Result<()> {
    let plan = drain::Plan { jobs: options.jobs, workers: 1, hot_percent: 0 };
    for _ in 0..options.load.rounds {
        beside(bench, "functions, drain", |bench, scenario, satchel| drain::measure(bench, scenario, satchel, plan))?;
        beside(bench, "functions, sustain", |bench, scenario, satchel| {
            sustain::measure(bench, scenario, satchel, &options.load)
        })?;
    }
    bench.report.print_table();
    Ok(())
}

/// Measures without functions and with them. Then every event is to be posted to a webhook endpoint that answers at once, so
/// that there is always something to do.
fn beside(
    bench: &mut Bench,
    scenario: &str,
    mut measure: impl FnMut(&mut Bench, &str, &mut Satchel) -> Result<()>,
) -> Result<()> {
    let mut without = Satchel::start(Servers::start(bench.dir())?, &Settings::default())?;
    measure(bench, &format!("{scenario}, without"), &mut without)?;
    drop(without);

    let allow = ("SATCHEL_OUTBOUND_ALLOW".to_owned(), LOOPBACK.to_owned());
    let webhooks = ("SATCHEL_WEBHOOKS".to_owned(), "on".to_owned());
    let settings = Settings { api_env: vec![allow.clone()], worker_env: vec![allow, webhooks] };
    let mut with = Satchel::start(Servers::start(bench.dir())?, &settings)?;
    let receiver = Receiver::start()?;
    let endpoint = json!({"url": receiver.url()}).to_string();
    let token = with.token("operator", "bench")?;
    Client::open(with.address())?.send("POST", "/api/v1/webhooks", &token, endpoint.as_bytes(), 201)?;
    measure(bench, scenario, &mut with)?;
    let posted = f64::from(u32::try_from(receiver.received())?);
    bench.report.figure(scenario, NAME, "posted to a webhook meanwhile", posted, "events");
    Ok(())
}
