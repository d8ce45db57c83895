//! Functions' runs and their steps.
//!
//! A run is its shard's owner's, as its user's jobs are: the owner makes it, begins it under its lease's epoch, and
//! writes what comes of it only while the run is still begun under that epoch.

pub mod backlog;
pub mod cancel;
mod candidates;
pub mod claims;
pub mod dispatch;
mod limits;
pub mod listeners;
pub mod operate;
mod pace;
pub mod pause;
pub mod replays;
pub(super) mod retention;
mod run;
pub mod steps;

pub use listeners::Fanout;
pub use pace::Rate;
pub use run::{Run, RunStatus};
