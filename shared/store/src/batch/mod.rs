//! What a batch locks, decides under and writes.

pub mod at_once;
mod columns;
mod happened;
mod outcome;
pub mod progress;
pub mod rules;
pub mod users;
