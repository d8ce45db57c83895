//! What crosses from one process to another, and how it is trusted there.

pub mod cloud_event;
pub mod envelope;
mod fresh;

pub use fresh::{Fresh, FreshJob};
