//! The load generator. It shares the machine with what it measures, so it must be lean: one thread for all
//! connections of a closed loop, requests that are mostly made beforehand, and nothing parsed that nobody needs.

pub(crate) mod blocking;
pub(crate) mod closed;
pub(crate) mod connection;
pub(crate) mod fill;
pub(crate) mod get;
pub(crate) mod http;
pub(crate) mod job;
pub(crate) mod open;
pub(crate) mod random;
pub(crate) mod schedule;
pub(crate) mod submit;
pub(crate) mod tally;
