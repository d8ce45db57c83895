//! The heart of Satchel: the pure domain, the jobs, and the two stores that carry them.

pub mod config;
pub mod distinct;
pub mod domain;
pub mod envelope;
pub mod events;
pub mod installation;
pub mod jobs;
pub mod json;
pub mod moment;
pub mod outbound;
pub mod queue;
pub mod sealing;
pub mod shutdown;
pub mod store;
pub mod token_crypto;
