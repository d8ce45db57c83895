//! The functions that come with Satchel, each a line, each off until its settings turn it on.

use satchel_shared::config::Env;

use super::Registry;
use super::event_any_webhook_sender::EventAnyWebhookSender;

/// Those that the environment turns on; faults are noted in `env`.
pub fn shipped(env: &mut Env) -> Registry {
    let mut registry = Registry::default();
    let functions = [EventAnyWebhookSender::from_env(env)];
    for function in functions.into_iter().flatten() {
        let id = function.id();
        if let Err(error) = registry.add(function) {
            env.fault(id, error);
        }
    }
    registry
}
