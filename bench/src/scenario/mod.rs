//! What is measured, a file each.

pub(crate) mod all;
mod costs;
pub(crate) mod drain;
pub(crate) mod functions;
mod grown;
pub(crate) mod growth;
pub(crate) mod handover;
pub(crate) mod history;
pub(crate) mod journal;
pub(crate) mod keyed;
pub(crate) mod latency;
pub(crate) mod profile;
pub(crate) mod query;
mod ratios;
mod reads;
mod size;
pub(crate) mod skew;
mod soak;
pub(crate) mod sustain;
mod targets;
mod verdict;
