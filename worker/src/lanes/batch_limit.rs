//! The limit on a lane's batches: after trouble a few jobs, until the way bears more.
//!
//! A batch that is too much for a slow link, or for one transaction, fails however often it is tried. So each failure of a
//! store ends in a small batch, and each batch that is finished lets the next one be larger: twice as large up to half of
//! what failed, and an eighth larger beyond that.

/// The largest batch after a failure, in jobs.
const FIRST_JOBS: usize = 4;

/// See the module.
#[derive(Debug)]
pub(crate) struct BatchLimit {
    max_jobs: usize,
    jobs: usize,
    /// The limit doubles up to this number of jobs.
    safe_jobs: usize,
}

impl BatchLimit {
    /// A limit that is never above `max_jobs`.
    pub(crate) fn new(max_jobs: usize) -> Self {
        let max_jobs = max_jobs.max(1);
        Self { max_jobs, jobs: max_jobs, safe_jobs: max_jobs }
    }

    /// Most jobs to take now.
    pub(crate) fn jobs(&self) -> usize {
        self.jobs
    }

    /// A batch was finished.
    pub(crate) fn passed(&mut self) {
        let next = if self.jobs < self.safe_jobs {
            self.jobs.saturating_mul(2).min(self.safe_jobs)
        } else {
            self.jobs.saturating_add((self.jobs / 8).max(1))
        };
        self.jobs = next.min(self.max_jobs);
    }

    /// A store failed.
    pub(crate) fn failed(&mut self) {
        self.safe_jobs = (self.jobs / 2).max(1);
        self.jobs = self.safe_jobs.min(FIRST_JOBS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(limit: &mut BatchLimit, batches: usize) -> Vec<usize> {
        let passed = |limit: &mut BatchLimit| {
            limit.passed();
            limit.jobs()
        };
        (0..batches).map(|_| passed(limit)).collect()
    }

    #[test]
    fn after_a_failure_batches_begin_small_and_grow_fast_to_half_of_what_failed_and_slowly_beyond() {
        let mut limit = BatchLimit::new(3_000);
        assert_eq!((limit.jobs(), sizes(&mut limit, 1)), (3_000, vec![3_000]));
        limit.failed();
        assert_eq!(limit.jobs(), FIRST_JOBS);
        assert_eq!(sizes(&mut limit, 11), [8, 16, 32, 64, 128, 256, 512, 1_024, 1_500, 1_687, 1_897]);
        limit.failed();
        limit.failed();
        assert_eq!((limit.jobs(), sizes(&mut limit, 3)), (2, vec![3, 4, 5]));
        for _ in 0..10 {
            limit.failed();
        }
        assert_eq!((limit.jobs(), sizes(&mut limit, 3)), (1, vec![2, 3, 4]));
        sizes(&mut limit, 100);
        assert_eq!(limit.jobs(), 3_000);
    }
}
