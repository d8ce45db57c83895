//! Why a private server could not be started.

use std::io;
use std::path::PathBuf;

/// Why a private server could not be started or used. Messages are meant for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum PrivateError {
    /// A program is not installed.
    #[error(
        "{program} was not found: install {package} (`make deps` does it), or give {variable} to use a running one"
    )]
    Missing {
        /// What was looked for.
        program: &'static str,
        /// The packages that have it.
        package: &'static str,
        /// The variable that makes it unnecessary.
        variable: &'static str,
    },
    /// The data directory was made by a Postgres version that is not installed.
    #[error(
        "{} holds data of Postgres {data}, but Postgres {installed} is installed: install Postgres {data}, or move the \
         directory away to start afresh",
        dir.display()
    )]
    OtherVersion {
        /// The Postgres data directory.
        dir: PathBuf,
        /// Major version of the data.
        data: u32,
        /// Major version that would be used.
        installed: u32,
    },
    /// The data directory belongs to someone else and we are not root.
    #[error("{} belongs to another user (uid {uid}): use that user or another data directory", dir.display())]
    OtherOwner {
        /// The directory.
        dir: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Postgres refuses to run as root and no other account was found.
    #[error("Postgres does not run as root, and there is neither a user `postgres` nor a user `nobody` to run it as")]
    NoAccount,
    /// The account that Postgres runs as cannot get at the data directory.
    #[error(
        "Postgres does not run as root, and user {user} cannot reach {}: use a data directory whose parents \
         let others pass (mode o+x), or install `setpriv` (package util-linux) ({detail})",
        dir.display()
    )]
    Unreachable {
        /// The Postgres data directory.
        dir: PathBuf,
        /// Name of the account.
        user: String,
        /// What was tried and what it said.
        detail: String,
    },
    /// The server ended or did not answer; the end of its log says why.
    #[error("{server} {what}; the last lines of {}:\n{tail}", log.display())]
    Failed {
        /// `Postgres` or `Redis`.
        server: &'static str,
        /// What happened.
        what: String,
        /// Where its log is.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// Another process serves this data directory and would not stop.
    #[error("process {pid} still runs {server} on {} and does not stop", dir.display())]
    StillRunning {
        /// `Postgres` or `Redis`.
        server: &'static str,
        /// Its process id.
        pid: i32,
        /// The data directory.
        dir: PathBuf,
    },
    /// No free port was found.
    #[error("found no free port on 127.0.0.1")]
    NoPort,
    /// A helper program (`initdb`, `psql`) failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it said.
        output: String,
    },
    /// A file or process operation failed.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Names what was being done when an I/O operation failed.
pub(crate) trait Doing<T> {
    /// The same result with `doing` said in its error.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, PrivateError>;
}

impl<T> Doing<T> for Result<T, io::Error> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, PrivateError> {
        self.map_err(|source| PrivateError::Io { doing: doing(), source })
    }
}
