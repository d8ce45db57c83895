//! Looking at and signalling processes by id.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const POLL: Duration = Duration::from_millis(10);

/// Whether a process with this id exists (a zombie does not count where that can be seen).
pub(crate) fn is_alive(pid: i32) -> bool {
    if pid <= 0 || kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH) {
        return false;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// Sends a signal; a process that is gone already is no error.
pub(crate) fn signal(pid: i32, signal: Signal) {
    if pid > 0 {
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Waits until the process is gone; false if it still is there after `patience`.
pub(crate) fn wait_gone(pid: i32, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while is_alive(pid) {
        if Instant::now() >= end {
            return false;
        }
        sleep(POLL);
    }
    true
}

/// The command line of a process, words separated by spaces, from `/proc` or else from `ps`.
pub(crate) fn command_line(pid: i32) -> Option<String> {
    let of_proc = Path::new("/proc").join(pid.to_string()).join("cmdline");
    if let Ok(bytes) = fs::read(of_proc) {
        return Some(String::from_utf8_lossy(&bytes).replace('\0', " "));
    }
    let output = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid.to_string()]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
