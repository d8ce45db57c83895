//! What a batch locks, decides under and writes.

pub mod at_once;
mod columns;
mod outcome;
pub mod progress;
pub mod rules;
mod step_over;
pub mod users;
