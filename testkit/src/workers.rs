//! The workers of a Satchel: started, signalled and stopped one by one.

use std::process::ExitStatus;

use nix::sys::signal::Signal;

use crate::satchel::command;
use crate::{Process, Satchel, wait};

impl Satchel {
    /// Starts one more worker.
    pub fn start_worker(&self) {
        self.start_worker_with(&[]);
    }

    /// Starts one more worker, with these variables beside the usual ones.
    pub fn start_worker_with(&self, env: &[(&str, &str)]) {
        self.spawn_worker(self.setup.worker_program, env);
    }

    /// Starts one more worker, which is none with the test's functions.
    pub fn start_worker_without_functions(&self) {
        self.spawn_worker("satchel-worker", &[]);
    }

    /// Whether any runs.
    pub fn has_workers(&self) -> bool {
        !self.workers.lock().unwrap().is_empty()
    }

    fn spawn_worker(&self, program: &'static str, env: &[(&str, &str)]) {
        let mut command = command(program, &self.setup.worker_env, &self.database, &self.redis);
        let worker = Process::spawn(program, command.envs(env.iter().copied()));
        self.workers.lock().unwrap().push(worker);
    }

    /// Sends a signal to the worker that was started first of those that are left.
    pub fn signal_worker(&self, signal: Signal) {
        self.signal_nth_worker(0, signal);
    }

    /// Sends a signal to the `n`th of the workers that are left, counted from 0 in the order of their start.
    pub fn signal_nth_worker(&self, n: usize, signal: Signal) {
        self.workers.lock().unwrap()[n].signal(signal);
    }

    /// What the first of the workers that are left has written so far.
    pub fn worker_output(&self) -> String {
        self.nth_worker_output(0)
    }

    /// As [`Satchel::worker_output`], for the `n`th.
    pub fn nth_worker_output(&self, n: usize) -> String {
        self.workers.lock().unwrap()[n].output()
    }

    /// Sends the first of the workers that are left a signal, and waits for its end.
    pub fn stop_worker(&self, signal: Signal) -> ExitStatus {
        self.stop_nth_worker(0, signal)
    }

    /// As [`Satchel::stop_worker`], for the `n`th.
    pub fn stop_nth_worker(&self, n: usize, signal: Signal) -> ExitStatus {
        let worker = self.workers.lock().unwrap().remove(n);
        worker.signal(signal);
        worker.wait()
    }

    /// Kills all workers at once.
    pub fn kill_workers(&self) {
        self.workers.lock().unwrap().drain(..).for_each(|worker| worker.kill());
    }

    /// Waits until exactly so many workers count as alive and every shard is one's of them.
    pub async fn settled(&self, workers: usize) {
        let alive = "SELECT count(*) FROM live_workers";
        let served = "SELECT count(*) FROM shard_leases JOIN live_workers ON worker_id = owner";
        let shards = self.database.owner.number("SELECT count(*) FROM shard_leases");
        wait::until_true(&format!("{workers} workers serve all shards"), || {
            let number = |sql| self.database.owner.try_run(sql).ok().and_then(|text| text.parse::<i64>().ok());
            number(alive) == i64::try_from(workers).ok() && number(served) == Some(shards)
        })
        .await;
    }
}
