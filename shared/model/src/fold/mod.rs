//! The fold over a batch: jobs in their order, each decided on what those before it have left. Pure: everything that it needs is
//! handed to it.

mod batch;
mod decisions;
mod turn;
mod user;

#[cfg(test)]
mod tests;

pub use batch::{Batch, MAX_CLOCK_SKEW_SECONDS};
pub use decisions::{Decisions, Disposition, PartyWrites};
pub use turn::Turn;
pub use user::{HoldingChange, UserState};
