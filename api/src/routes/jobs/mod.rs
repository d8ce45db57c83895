//! Jobs.

mod search;
pub(super) mod show;
pub(super) mod submit;
pub(super) mod withdraw;

pub(super) use self::search::JobStatus;
pub(crate) use self::search::Jobs;
