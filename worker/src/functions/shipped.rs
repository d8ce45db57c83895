//! The functions that come with Satchel: one line for each, each off until its settings turn it on.

use satchel_settings::Env;

use super::event_any_amqp_publisher::EventAnyAmqpPublisher;
use super::event_any_webhook_sender::EventAnyWebhookSender;
use super::item_rewarded_discord_notifier::ItemRewardedDiscordNotifier;
use super::item_used_discord_notifier::ItemUsedDiscordNotifier;
use super::{Function, Registry};

/// Those of them that the environment sets up; faults are noted in `env`.
pub fn shipped(env: &mut Env) -> Registry {
    let functions = [
        // One a line.
        EventAnyAmqpPublisher::from_env(env).map(boxed),
        EventAnyWebhookSender::from_env(env),
        ItemRewardedDiscordNotifier::from_env(env).map(boxed),
        ItemUsedDiscordNotifier::from_env(env).map(boxed),
    ];
    let mut registry = Registry::default();
    for function in functions.into_iter().flatten() {
        let id = function.id();
        if let Err(error) = registry.add(function) {
            env.fault(id, error);
        }
    }
    registry
}

fn boxed(function: impl Function) -> Box<dyn Function> {
    Box::new(function)
}
