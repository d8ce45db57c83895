//! Tasks that begin and end together.

use std::collections::HashMap;

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{Task, drive};

/// Named tasks of a program under one shutdown. At most as many as the program starts.
#[derive(Debug)]
pub struct TaskSet {
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

/// A part of the program ended by itself.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} panicked")]
pub struct Panicked(&'static str);

impl TaskSet {
    /// None yet.
    #[must_use]
    pub fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown, tasks: JoinSet::new(), names: HashMap::new() }
    }

    /// Drives a task in rounds.
    pub fn drive<T: Task + 'static>(&mut self, task: T) {
        self.spawn(T::NAME, drive(task, self.shutdown.clone()));
    }

    /// Starts a task that ends by itself at the shutdown.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.names.insert(handle.id(), name);
    }

    /// Waits until all have ended. If one panics, the shutdown begins for the others.
    ///
    /// # Errors
    /// The last [`Panicked`] one.
    pub async fn join(mut self) -> Result<(), Panicked> {
        let mut result = Ok(());
        while let Some(ended) = self.tasks.join_next_with_id().await {
            if let Err(error) = ended {
                self.shutdown.cancel();
                result = Err(Panicked(self.names.get(&error.id()).copied().unwrap_or("a task")));
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_panics_ends_the_others_in_order_and_is_named() {
        let shutdown = CancellationToken::new();
        let mut tasks = TaskSet::new(shutdown.clone());
        tasks.spawn("patient", async move { shutdown.cancelled().await });
        tasks.spawn("careless", async { assert!(false_now(), "as planned") });
        assert_eq!(tasks.join().await, Err(Panicked("careless")));
    }

    fn false_now() -> bool {
        std::hint::black_box(false)
    }

    #[tokio::test]
    async fn all_that_end_at_the_shutdown_end_well() {
        let shutdown = CancellationToken::new();
        let mut tasks = TaskSet::new(shutdown.clone());
        let ended = shutdown.clone();
        tasks.spawn("patient", async move { ended.cancelled().await });
        shutdown.cancel();
        assert_eq!(tasks.join().await, Ok(()));
    }
}
