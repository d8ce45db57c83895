//! Plain results: what stores give and others show.

mod event;
mod job;
mod new_event;

pub use event::{Event, OWN_SOURCE, Place};
pub use job::{JobRecord, JobStatus};
pub use new_event::NewEvent;
