//! Whether a connection lives, as far as its answers show.
//!
//! A call that waits to its deadline says itself that nothing came. Two things need more: a call that is dropped before,
//! because a client hung up, says nothing, and many of these could keep a dead connection in use for ever. And where
//! something on the way has lost a question, the next answer would be taken for the one that is missing: so nothing more
//! is asked over a connection that has been silent for a while.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Life(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Calls under way.
    waiting: u32,
    /// Since when there are questions and no answer comes.
    silent_since: Option<Instant>,
    did_well: bool,
}

/// A call under way. Dropped before [`Asked::answered`], it is a question without an answer.
pub(super) struct Asked<'l>(Option<&'l Life>);

impl Life {
    /// A call begins.
    pub(super) fn ask(&self) -> Asked<'_> {
        let mut known = self.known();
        known.waiting += 1;
        known.silent_since.get_or_insert_with(Instant::now);
        Asked(Some(self))
    }

    /// Whether questions have been waiting for so long, and none had an answer: answers come in their order.
    pub(super) fn is_silent(&self, limit: Duration) -> bool {
        self.known().silent_since.is_some_and(|since| since.elapsed() > limit)
    }

    /// Whether any call had the answer that it was made for.
    pub(super) fn did_well(&self) -> bool {
        self.known().did_well
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked<'_> {
    /// The answer is there.
    pub(super) fn answered(mut self, did_well: bool) {
        if let Some(life) = self.0.take() {
            let mut known = life.known();
            known.waiting = known.waiting.saturating_sub(1);
            known.silent_since = (known.waiting > 0).then(Instant::now);
            known.did_well |= did_well;
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(life) = self.0 {
            let mut known = life.known();
            known.waiting = known.waiting.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_silent_while_questions_have_no_answer_even_if_they_were_given_up() {
        let (life, long) = (Life::default(), Duration::from_mins(1));
        let pause = || std::thread::sleep(Duration::from_millis(2));
        life.ask().answered(true);
        pause();
        assert!(!life.is_silent(Duration::ZERO), "nobody waits");
        let (first, second) = (life.ask(), life.ask());
        pause();
        assert!(life.is_silent(Duration::ZERO) && !life.is_silent(long));
        first.answered(true);
        assert!(!life.is_silent(Duration::from_millis(1)), "one was answered just now");
        drop(second);
        pause();
        assert!(life.is_silent(Duration::ZERO), "that one was given up");
        life.ask().answered(false);
        assert!(!life.is_silent(Duration::ZERO), "its answer has come before this one");
    }

    #[test]
    fn only_an_answer_that_was_asked_for_is_doing_well() {
        let life = Life::default();
        life.ask().answered(false);
        assert!(!life.did_well());
        life.ask().answered(true);
        assert!(life.did_well());
    }
}
