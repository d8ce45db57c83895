//! A child process whose output is kept, and shown when its test fails.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::janitor;
use crate::wait::blocking_until;

/// Most lines of output kept per process.
const MAX_LINES: usize = 2_000;
/// Most lines of output shown per process when a test fails.
const SHOWN_LINES: usize = 80;

/// Where a program of this workspace was built to: next to this test's own directory.
///
/// Fails the test if it was not built.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    let dir = test.parent().and_then(std::path::Path::parent).expect("target/<profile>/deps/<test>");
    let path = dir.join(name);
    assert!(path.is_file(), "{} is not built: `make test` builds the programs, then runs the tests", path.display());
    path
}

/// A running program. Dropped, it is killed; if the test is failing, its last output is printed.
pub struct Process {
    name: String,
    pid: Pid,
    child: Mutex<Child>,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Process {
    /// Starts `command`, called `name` in messages.
    pub fn spawn(name: &str, command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("starting {name}: {error}"));
        janitor::watch(child.id());
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        keep(child.stdout.take().expect("piped"), Arc::clone(&lines));
        keep(child.stderr.take().expect("piped"), Arc::clone(&lines));
        let pid = Pid::from_raw(child.id().try_into().expect("a pid"));
        Self { name: name.to_owned(), pid, child: Mutex::new(child), lines }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw().unsigned_abs()
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, signal: Signal) {
        if self.exited().is_none() {
            kill(self.pid, signal).unwrap_or_else(|error| panic!("{signal} to {}: {error}", self.name));
        }
    }

    /// Kills it at once (SIGKILL) and waits until it is gone.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
        self.exit();
    }

    /// How it ended, if it did.
    pub fn exited(&self) -> Option<ExitStatus> {
        let status = self.child.lock().unwrap().try_wait().expect("waiting for a child");
        if status.is_some() {
            janitor::forget(self.pid());
        }
        status
    }

    /// Waits until it ends by itself.
    pub fn wait(&self) -> ExitStatus {
        blocking_until(&format!("{} ends", self.name), || self.exited())
    }

    fn exit(&self) {
        let _ = self.wait();
    }

    /// What it wrote to standard output and standard error so far (of much output, the end).
    pub fn output(&self) -> String {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The first line written so far that contains `part`.
    pub fn line_with(&self, part: &str) -> Option<String> {
        self.lines.lock().unwrap().iter().find(|line| line.contains(part)).cloned()
    }

    fn show(&self) {
        let lines = self.lines.lock().unwrap();
        println!("--- the last of {} ({}):", self.name, self.pid);
        for line in lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)) {
            println!("{line}");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.exited().is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
            let _ = self.child.lock().map(|mut child| child.wait());
            janitor::forget(self.pid());
        }
        if std::thread::panicking() {
            self.show();
        }
    }
}

/// Reads `from` to its end in a thread of its own, so that the process never blocks on a full pipe.
fn keep(from: impl Read + Send + 'static, lines: Arc<Mutex<VecDeque<String>>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let mut lines = lines.lock().unwrap();
            if lines.len() == MAX_LINES {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(&line).into_owned());
        }
    });
}
