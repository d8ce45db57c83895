//! What a Postgres that was not stopped in order leaves behind: a pid file, and perhaps itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::{Doing, PrivateError};
use crate::process;

/// Fast shutdown (SIGINT) with its checkpoint, before an immediate one (SIGQUIT), which recovery makes good.
const FAST_PATIENCE: Duration = Duration::from_secs(30);
const IMMEDIATE_PATIENCE: Duration = Duration::from_secs(10);

/// `postmaster.pid`: line 1 the process id, line 8 the state (`src/include/utils/pidfile.h`).
#[derive(Debug)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    pub(crate) ready: bool,
}

impl PidFile {
    /// Reads the pid file of a data directory, if there is one.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        Some(Self { pid, ready: lines.nth(6).is_some_and(|state| state.trim() == "ready") })
    }
}

/// Ends a Postgres that an earlier, killed process left running on this data. A pid file whose process id now
/// belongs to some other program is removed: Postgres would take that program for itself.
pub(crate) fn end(data: &Path) -> Result<(), PrivateError> {
    let Some(PidFile { pid, .. }) = PidFile::read(data) else { return Ok(()) };
    if !process::is_alive(pid) {
        return Ok(());
    }
    if !serves(pid, data) {
        let file = data.join("postmaster.pid");
        return fs::remove_file(&file).doing(|| format!("cannot remove the stale {}", file.display()));
    }
    process::signal(pid, Signal::SIGINT);
    process::signal(pid, Signal::SIGCONT);
    if process::wait_gone(pid, FAST_PATIENCE) {
        return Ok(());
    }
    process::signal(pid, Signal::SIGQUIT);
    if process::wait_gone(pid, IMMEDIATE_PATIENCE) {
        return Ok(());
    }
    Err(PrivateError::StillRunning { server: "Postgres", pid, dir: data.to_path_buf() })
}

/// Whether this process is a postmaster on this data: each is started with `-D <data>`.
fn serves(pid: i32, data: &Path) -> bool {
    let Some(line) = process::command_line(pid) else { return false };
    line.contains("postgres") && line.contains(&format!("-D {} ", data.display()))
}
