//! What clients read.

pub mod events;
pub mod inventory;
pub mod jobs;
pub mod ledger;
