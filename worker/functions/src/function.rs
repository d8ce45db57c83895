//! The trait of functions.

use std::sync::Arc;

use async_trait::async_trait;
use satchel_model::ids::{FunctionId, InvalidFunctionId};
use satchel_model::records::Event;
use satchel_settings::Env;

use crate::{Failure, Fanout, KeyOf, Policy, Steps};

/// A reaction to events, step by step.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// `domain-action-purpose`, unique: e.g. `item-used-discord-notifier`. It is the function's name for ever: another id
    /// is another function.
    fn id(&self) -> &'static str;

    /// The events that it runs for.
    fn subscribes_to(&self) -> Subscription;

    /// Whether an event is one run, or one for each of several receivers: [`Steps::target`].
    fn fanout(&self) -> Fanout {
        Fanout::One
    }

    /// Retries, limits, the time for an attempt, which runs begin first, and how old they may become.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// The reaction to an event. Whatever it does outside of steps is done in each attempt again.
    async fn handle(&self, event: &Event, steps: &mut Steps<'_>) -> Result<(), Failure>;
}

/// A function that the environment sets up.
pub trait FromEnv: Function + Sized {
    /// Reads its settings; `None` if it is off. Faults are noted in `env`.
    fn from_env(env: &mut Env) -> Option<Self>;
}

/// The events that a function runs for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscription {
    /// All.
    All,
    /// Those of these names.
    Named(&'static [&'static str]),
}

/// A function whose id is valid, with its policy.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) id: FunctionId,
    pub(crate) function: Arc<dyn Function>,
    pub(crate) policy: Policy,
}

impl Registered {
    pub(crate) fn new(function: Box<dyn Function>) -> Result<Self, InvalidFunctionId> {
        let mut policy = function.policy();
        if policy.limits.key == KeyOf::Target && function.fanout() == Fanout::One {
            // There is nothing to tell its runs apart by.
            policy.limits.key = KeyOf::Nothing;
        }
        // Those in order begin in that order.
        policy.limits.newest_first &= !policy.limits.ordered;
        Ok(Self { id: FunctionId::parse(function.id())?, policy, function: function.into() })
    }
}
