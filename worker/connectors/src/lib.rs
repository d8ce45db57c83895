//! The functions that tell the outside of events: a folder for each connector with its functions, their settings, and its
//! client. The engine (`satchel-functions`) knows none of them.

mod amqp;
mod discord;
mod outbound;
mod webhooks;

use satchel_functions::{SetUp, TargetSource};

/// The functions of all connectors.
#[must_use]
pub fn functions() -> Vec<SetUp> {
    [amqp::FUNCTIONS, discord::FUNCTIONS, webhooks::FUNCTIONS].concat()
}

/// All kinds of receivers of which each gets runs of its own.
#[must_use]
pub fn target_sources() -> Vec<Box<dyn TargetSource>> {
    vec![Box::new(webhooks::Endpoints)]
}
