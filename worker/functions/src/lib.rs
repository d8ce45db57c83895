//! Durable functions: what happens after an event. A [`Function`] subscribes to events and does what has to be done about
//! each, step by step. What a step has done is done once, whatever dies meanwhile.
//!
//! The engine reads top-down: [`Executor`] (a worker's background task) → `dispatcher` (events become runs) → `drop_old` →
//! `room` (free slots) → `attempt` (one run, once) → [`Steps`] (saved results) → `job_steps` (jobs that steps submit). It knows
//! no receiver: what a run of several receivers is for, a [`TargetSource`] says.

mod attempt;
mod deadline;
mod dispatcher;
mod drop_old;
mod error;
mod executor;
mod failure;
mod flood;
mod function;
mod job_steps;
mod leases;
mod policy;
mod registry;
mod room;
mod signals;
mod steps;
mod targets;

/// For implementations of [`Function`] and [`TargetSource`].
pub use async_trait::async_trait;
pub use deadline::soon;
pub use error::EngineError;
pub use executor::{Engine, Executor};
pub use failure::Failure;
pub use flood::Flood;
pub use function::{FromEnv, Function, Subscription};
pub use job_steps::JobOutcome;
pub use leases::OwnLeases;
pub use policy::{MAX_RETRY_AFTER, Policy};
pub use registry::{Registry, RegistryError, SetUp};
pub use satchel_store::functions::claims::{KeyOf, Limits};
pub use satchel_store::functions::{Fanout, Rate};
pub use signals::Signals;
pub use steps::{Step, Steps, Surroundings};
pub use targets::{Target, TargetSource};

/// Declares functions, each by its module and its type, and lists them as `FUNCTIONS` for [`Registry::from_env`].
#[macro_export]
macro_rules! functions {
    ($($module:ident::$function:ident),* $(,)?) => {
        $(mod $module;)*

        /// The functions of this module.
        pub(crate) const FUNCTIONS: &[$crate::SetUp] = &[$($crate::Registry::set_up::<$module::$function>),*];
    };
}
