//! What is measured, and what it stands on.

pub(crate) mod applied;
pub(crate) mod contender;
pub(crate) mod disk;
pub(crate) mod peer;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod receiver;
pub(crate) mod satchel;
pub(crate) mod schema;
pub(crate) mod scratch;
pub(crate) mod seed;
pub(crate) mod servers;
pub(crate) mod sql;
mod start;
pub(crate) mod statements;
pub(crate) mod token;
pub(crate) mod usage;
