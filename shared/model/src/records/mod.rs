//! Plain results: what stores give and others show.

mod event;

pub use event::{Event, OWN_SOURCE, Place};
