//! Whether the service answers, and whether it is ready.

pub(super) mod live;
pub(super) mod ready;
mod report;

pub(crate) use self::ready::{Readiness, UnseenSettings};
pub(crate) use self::report::warnings;

#[cfg(test)]
mod tests;
