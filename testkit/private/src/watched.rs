//! A server that cannot outlive the process that started it.
//!
//! Each server runs under a small shell that watches a pipe from us: when the pipe closes, because we stopped the
//! server, dropped it, or died however suddenly, the shell stops the server in order. The shell has a process
//! group of its own, so that Ctrl-C at a terminal reaches us alone and we decide who stops when.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::account::Account;
use crate::error::{Doing, PrivateError};
use crate::process;

/// Arguments: the signal that stops the server, then its command line. Standard input is the pipe; the server's
/// process id is printed; its output goes to standard error, the log.
/// The guard first stops, then continues the server, which a test may have paused.
const WATCHER: &str = r#"
trap '' HUP INT
signal=$1
shift
exec 3<&0 </dev/null
"$@" 3<&- >&2 &
server=$!
echo "$server"
exec >/dev/null
(
    read -r _ <&3
    kill -s "$signal" "$server"
    kill -s CONT "$server"
) 2>/dev/null &
guard=$!
exec 3<&-
wait "$server"
code=$?
kill "$guard" 2>/dev/null
exit "$code"
"#;

const STOP_PATIENCE: Duration = Duration::from_mins(1);
const KILL_PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// A running server and the pipe that keeps it alive.
#[derive(Debug)]
pub(crate) struct Watched {
    watcher: Child,
    pipe: Option<ChildStdin>,
    pid: i32,
}

impl Watched {
    /// Starts `words` as `account`, writing to `log`; `stop` (`INT`, `TERM`) is the signal that ends it in order.
    pub(crate) fn start(
        account: &Account,
        words: &[OsString],
        stop: &'static str,
        log: File,
    ) -> Result<Self, PrivateError> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHER, "satchel-watcher", stop]).args(words);
        command.env_clear().env("LC_ALL", "C").envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        command.current_dir("/").process_group(0);
        account.apply(&mut command);
        let mut watcher = command.spawn().doing(|| "cannot start /bin/sh".into())?;
        let pipe = watcher.stdin.take();
        let mut line = String::new();
        if let Some(output) = watcher.stdout.take() {
            BufReader::new(output).read_line(&mut line).doing(|| "cannot read from /bin/sh".into())?;
        }
        let pid = line.trim().parse().unwrap_or_default();
        Ok(Self { watcher, pipe, pid })
    }

    /// The server's own process id.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// How the server ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.watcher.try_wait().ok().flatten()
    }

    /// Stops the server in order and waits for its end; one that does not stop in a minute is killed.
    pub(crate) fn stop(&mut self) {
        drop(self.pipe.take());
        if self.ends_within(STOP_PATIENCE) {
            return;
        }
        process::signal(self.pid, Signal::SIGKILL);
        if !self.ends_within(KILL_PATIENCE) {
            let _ = self.watcher.kill();
            let _ = self.watcher.wait();
        }
    }

    /// Sends the server a signal.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            process::signal(self.pid, signal);
        }
    }

    /// Waits for the server's end.
    pub(crate) fn ends_within(&mut self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        while self.ended().is_none() {
            if Instant::now() >= end {
                return false;
            }
            sleep(POLL);
        }
        true
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop();
    }
}
