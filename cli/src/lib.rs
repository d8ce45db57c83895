//! `satchel`: the whole service on one machine (`satchel dev`), and the tools of those who run it.

mod audit;
mod catalogue;
mod command;
mod dev;
mod dev_env;
mod environment;
mod functions;
mod http;
mod key;
mod ledger;
mod migrate;
mod owner;
mod settings;
mod token;

pub use command::run;
