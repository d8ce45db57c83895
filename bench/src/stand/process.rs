//! Programs that run beside us, each with a log file.

use std::cell::RefCell;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const POLL: Duration = Duration::from_millis(10);
/// How long a program may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(40);
const MAX_TAIL_LINES: usize = 15;

/// Ends the process of its argument when its standard input is closed, which we alone hold open.
const GUARD: &str = "trap '' INT HUP TERM; read -r _; kill -TERM \"$1\"";

/// A running program. Dropped, it is told to stop (SIGTERM), and killed if it does not. When we die, however suddenly,
/// it is told to stop as well: what is left running would disturb whatever is measured next.
#[derive(Debug)]
pub(crate) struct Child {
    name: &'static str,
    process: RefCell<std::process::Child>,
    guard: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// Starts `command` with its output and errors in `log`, which is made anew.
    pub(crate) fn spawn(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = File::create(log).with_context(|| format!("cannot make {}", log.display()))?;
        let errors = file.try_clone()?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        let process = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let mut guard = Command::new("/bin/sh");
        guard.args(["-c", GUARD, "bench-guard", &process.id().to_string()]).process_group(0);
        let guard = guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let guard = guard.context("cannot start /bin/sh")?;
        Ok(Self { name, process: RefCell::new(process), guard, log: log.to_path_buf() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.process.borrow().id()).unwrap_or_default()
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.process.borrow_mut().try_wait().ok().flatten()
    }

    /// Fails if it has ended, with the end of its log.
    pub(crate) fn check_runs(&self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(status) => bail!("{} has ended ({status}); the end of its log:\n{}", self.name, self.log_tail()),
        }
    }

    /// Waits until `is_so`; fails if the program ends, or after `patience`.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        patience: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let end = Instant::now() + patience;
        while !is_so(self) {
            self.check_runs()?;
            if Instant::now() >= end {
                bail!("{}: {what} took more than {} s:\n{}", self.name, patience.as_secs(), self.log_tail());
            }
            sleep(POLL);
        }
        Ok(())
    }

    /// Waits until it has written this line.
    pub(crate) fn wait_for_line(&self, line: &str, patience: Duration) -> Result<()> {
        self.wait_until(line, patience, |child| child.log_text().lines().any(|written| written.trim() == line))
    }

    /// Waits until it ends by itself; fails unless it says that all went well.
    pub(crate) fn wait_success(&self, patience: Duration) -> Result<()> {
        let end = Instant::now() + patience;
        loop {
            match self.ended() {
                Some(status) if status.success() => return Ok(()),
                Some(_) => return self.check_runs(),
                None if Instant::now() >= end => bail!("{} took more than {} s", self.name, patience.as_secs()),
                None => sleep(POLL),
            }
        }
    }

    /// What it has written.
    pub(crate) fn log_text(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let text = self.log_text();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(MAX_TAIL_LINES)..).unwrap_or_default().join("\n")
    }

    /// Sends it a signal that ends it, and waits for its end; kills it if that takes too long.
    pub(crate) fn end(&self, signal: Signal) {
        if self.ended().is_none() {
            let _ = kill(Pid::from_raw(self.pid()), signal);
        }
        let end = Instant::now() + STOP_PATIENCE;
        while self.ended().is_none() {
            if Instant::now() >= end {
                let _ = self.process.borrow_mut().kill();
                let _ = self.process.borrow_mut().wait();
                return;
            }
            sleep(POLL);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end(Signal::SIGTERM);
        // Killed, so that it does not end another process that has the same id by then.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    fn sleeper(dir: &Path) -> Child {
        Child::spawn("sleep", Command::new("sleep").arg("3600"), &dir.join("log")).unwrap()
    }

    #[test]
    fn a_program_ends_when_its_guard_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper(dir.path());
        // As the system does when we die.
        drop(child.guard.stdin.take());
        let end = Instant::now() + PATIENCE;
        while child.ended().is_none() {
            assert!(Instant::now() < end);
            sleep(POLL);
        }
    }

    #[test]
    fn a_program_that_ends_too_early_is_told_with_its_last_words() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo alas; exit 3"]);
        let child = Child::spawn("sh", &mut command, &dir.path().join("log")).unwrap();
        let error = child.wait_for_line("ready", PATIENCE).unwrap_err().to_string();
        assert!(error.contains("alas") && error.contains("exit status: 3"), "{error}");
        assert!(child.wait_success(PATIENCE).is_err());
    }

    #[test]
    fn a_dropped_program_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let pid = Pid::from_raw(sleeper(dir.path()).pid());
        assert!(kill(pid, None).is_err());
    }
}
