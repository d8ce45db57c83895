//! What happens after: functions, one file each, and one line for each in the [`Registry`]. A function hears of events and
//! does what has to be done about them, step by step. What a step has done is done once, whatever dies meanwhile.

mod amqp;
mod attempt;
mod discord;
mod dispatcher;
mod drops;
mod event_any_amqp_publisher;
mod event_any_webhook_sender;
mod executor;
mod failure;
mod item_rewarded_discord_notifier;
mod item_used_discord_notifier;
mod job_steps;
mod order;
mod outbound;
mod policy;
mod registry;
mod room;
mod shipped;
mod signals;
mod steps;

use std::sync::Arc;

use async_trait::async_trait;
use satchel_model::ids::{FunctionId, InvalidFunctionId};
use satchel_model::records::Event;

pub(crate) use executor::Executor;
pub use failure::Failure;
pub use job_steps::JobOutcome;
pub use policy::Policy;
pub use registry::{Registry, RegistryError};
pub use satchel_store::functions::claims::{KeyOf, Limits};
pub use satchel_store::functions::{Fanout, Rate};
pub use shipped::shipped;
pub(crate) use signals::Signals;
pub(crate) use steps::Surroundings;
pub use steps::{Step, Steps};

/// See the module.
#[async_trait]
pub trait Function: Send + Sync + 'static {
    /// `domain-action-purpose`, unique: e.g. `item-used-discord-notifier`. It is the function's name for ever: another id
    /// is another function.
    fn id(&self) -> &'static str;

    /// Which events it hears of.
    fn hears(&self) -> Hears;

    /// Whether an event is one run, or one for each of several receivers: [`Steps::target`].
    fn fanout(&self) -> Fanout {
        Fanout::One
    }

    /// How often it is tried, how many of its runs go on at once, how long an attempt may take, which begin first, and how
    /// old they may become.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// What it does about an event. Whatever it does outside of steps is done in each attempt again.
    async fn handle(&self, event: &Event, steps: &mut Steps<'_>) -> Result<(), Failure>;
}

/// Which events a function hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hears {
    /// All.
    All,
    /// Those of these names.
    Named(&'static [&'static str]),
}

/// A function with its id, once it is known to be one.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) id: FunctionId,
    pub(crate) function: Arc<dyn Function>,
    pub(crate) policy: Policy,
}

impl Registered {
    fn new(function: Box<dyn Function>) -> Result<Self, InvalidFunctionId> {
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
