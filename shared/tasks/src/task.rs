//! One background task, and what drives it.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Backoff, Retries};

/// Something to do in rounds until the shutdown.
pub trait Task: Send {
    /// Its name in logs and metrics, in `snake_case`.
    const NAME: &'static str;

    /// Why a round failed.
    type Error: Display + Send;

    /// One round; the pause until the next one.
    ///
    /// # Errors
    /// If it came to nothing.
    fn round(&mut self) -> impl Future<Output = Result<Duration, Self::Error>> + Send;

    /// The wait before the next round, which an event may end early. It may be dropped at any point.
    fn pause(&mut self, pause: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(pause)
    }

    /// The waits after failed rounds.
    fn backoff(&self) -> Backoff;

    /// The end, after the last round.
    fn close(self) -> impl Future<Output = ()> + Send
    where
        Self: Sized,
    {
        std::future::ready(())
    }
}

/// Does a task's rounds until the shutdown; a round that has begun is finished first.
///
/// Of failures in a row the first is a warning, and so the log tells of an outage once.
pub async fn drive<T: Task>(mut task: T, shutdown: CancellationToken) {
    let mut retries = task.backoff().retries();
    while !shutdown.is_cancelled() {
        let began = Instant::now();
        let result = task.round().await;
        count::<T>(result.is_ok(), began.elapsed());
        match result {
            Ok(pause) => {
                if retries.failures() > 0 {
                    tracing::info!(task = T::NAME, failures = retries.failures(), "the task succeeds again");
                    retries.reset();
                }
                shutdown.run_until_cancelled(task.pause(pause)).await;
            }
            Err(error) => {
                log::<T>(&retries, &error);
                shutdown.run_until_cancelled(retries.wait()).await;
            }
        }
    }
    task.close().await;
}

fn log<T: Task>(retries: &Retries, error: &T::Error) {
    if retries.failures() == 0 {
        tracing::warn!(task = T::NAME, %error, "the task failed and is tried again");
    } else {
        tracing::debug!(task = T::NAME, %error, failures = retries.failures(), "the task failed again");
    }
}

fn count<T: Task>(succeeded: bool, took: Duration) {
    let ended = if succeeded { "succeeded" } else { "failed" };
    metrics::counter!("satchel_task_rounds_total", "task" => T::NAME, "ended" => ended).increment(1);
    metrics::gauge!("satchel_task_round_seconds", "task" => T::NAME).set(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    /// Succeeds or fails as planned, then forever.
    struct Planned {
        plan: std::vec::IntoIter<bool>,
        told: Sender<(&'static str, u64)>,
        began: Instant,
        shutdown: CancellationToken,
    }

    impl Planned {
        fn tell(&self, what: &'static str) {
            self.told.send((what, self.began.elapsed().as_secs())).unwrap();
        }
    }

    impl Task for Planned {
        const NAME: &'static str = "planned";
        type Error = &'static str;

        fn backoff(&self) -> Backoff {
            Backoff::new(Duration::from_secs(100), Duration::from_secs(1_000))
        }

        async fn round(&mut self) -> Result<Duration, &'static str> {
            match self.plan.next() {
                Some(true) => self.tell("succeeded"),
                Some(false) => {
                    self.tell("failed");
                    return Err("as planned");
                }
                None => self.shutdown.cancel(),
            }
            Ok(PERIOD)
        }

        async fn close(self) {
            self.tell("closed");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rounds_follow_their_pauses_and_failed_ones_back_off_until_one_succeeds() {
        let (told, said) = channel();
        let shutdown = CancellationToken::new();
        let plan = vec![true, true, false, false, true, false, true].into_iter();
        drive(Planned { plan, told, began: Instant::now(), shutdown: shutdown.clone() }, shutdown).await;
        let said: Vec<(&str, u64)> = said.iter().collect();
        let words: Vec<&str> = said.iter().map(|(word, _)| *word).collect();
        assert_eq!(words.join(" "), "succeeded succeeded failed failed succeeded failed succeeded closed");
        let at = |index: usize| said[index].1;
        assert_eq!((at(0), at(1), at(2)), (0, 10, 20));
        assert!((50..=100).contains(&(at(3) - at(2))), "the first wait: {said:?}");
        assert!((100..=200).contains(&(at(4) - at(3))), "the second: {said:?}");
        assert_eq!((at(5) - at(4), at(7) - at(6)), (10, 10), "{said:?}");
        assert!((50..=100).contains(&(at(6) - at(5))), "after a success the first wait again: {said:?}");
    }
}
