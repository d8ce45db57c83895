//! The functions that come with Satchel: one line for each.

use satchel_shared::config::Env;

use super::event_any_amqp_publisher::EventAnyAmqpPublisher;
use super::{Function, Registry};

/// Those of them that the environment sets up; faults are noted in `env`.
pub fn shipped(env: &mut Env) -> Registry {
    let functions = [
        // One a line.
        EventAnyAmqpPublisher::from_env(env).map(boxed),
    ];
    let mut registry = Registry::default();
    for function in functions.into_iter().flatten() {
        if let Err(error) = registry.add(function) {
            env.fault("functions", error);
        }
    }
    registry
}

fn boxed(function: impl Function) -> Box<dyn Function> {
    Box::new(function)
}
