//! What a batch locks, decides under and writes.

pub mod decisions;
mod holdings;
pub mod progress;
pub mod rules;
pub mod users;
