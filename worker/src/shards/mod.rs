//! A worker's shards: who owns them, what of each is in a batch, which are left alone, and what their queue remembers.

mod active;
mod leased;
mod ownership;
mod stalls;
mod watermarks;

pub(crate) use active::Active;
pub(crate) use leased::LeasedShards;
pub(crate) use ownership::Ownership;
pub(crate) use stalls::{Sifted, Stalls};
pub(crate) use watermarks::Watermarks;
