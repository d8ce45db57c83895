//! The pure model: what users own, what jobs do with it, and what happens then. No I/O.

pub mod distinct;
pub mod domain;
pub mod envelope;
pub mod events;
pub mod installation;
pub mod jobs;
pub mod moment;
pub mod records;
