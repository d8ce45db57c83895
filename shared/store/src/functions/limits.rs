//! How many runs of a function may go on.

use std::time::Duration;

use super::Rate;

/// What a run is limited by besides its function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOf {
    /// Nothing.
    Nothing,
    /// Its user.
    User,
    /// Its target.
    Target,
}

/// How many runs of a function may go on at once, and how many may begin in a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Runs at once.
    pub concurrency: u32,
    /// Runs begun.
    pub rate: Option<Rate>,
    /// What else limits them.
    pub key: KeyOf,
    /// Runs at once with the same key.
    pub key_concurrency: u32,
    /// Runs begun with the same key.
    pub key_rate: Option<Rate>,
    /// A user's runs for a target begin one after the other, in the order of the events.
    pub ordered: bool,
    /// Of those that are due the newest begin first.
    pub newest_first: bool,
}

impl Limits {
    /// The time for each run, if a rate limits them: the shorter one, if both do.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        let interval = |rate: Rate| rate.interval.to_std().unwrap_or_default();
        self.rate.into_iter().chain(self.key_rate).map(interval).min()
    }
}
