//! Files with secrets and logs of servers.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::error::{Doing, PrivateError};

const PASSWORD_BYTES: usize = 24;
const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;
const MAX_TAIL_BYTES: u64 = 64 * 1024;
const TAIL_LINES: usize = 12;

/// Makes the data directory if it is missing and returns its absolute path. Root's is passable for others,
/// because Postgres runs as another user below it.
///
/// # Errors
/// If it cannot be made.
pub fn data_dir(dir: &Path) -> Result<PathBuf, PrivateError> {
    if !dir.exists() {
        let mode = if Uid::effective().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(dir)
            .doing(|| format!("cannot make the data directory {}", dir.display()))?;
    }
    dir.canonicalize().doing(|| format!("cannot find the data directory {}", dir.display()))
}

/// A new random password of letters and digits.
pub(crate) fn password() -> Result<String, PrivateError> {
    let mut bytes = [0_u8; PASSWORD_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| io::Error::other(error.to_string()))
        .doing(|| "the system has no randomness to give".into())?;
    Ok(hex::encode(bytes))
}

/// Writes a file that only its owner may read, replacing an older one in one step.
///
/// # Errors
/// If it cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<(), PrivateError> {
    let write = || -> io::Result<()> {
        let mut new = path.as_os_str().to_owned();
        new.push(".unfinished");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().doing(|| format!("cannot write {}", path.display()))
}

/// The log of a server; each start appends to it, until it grew too large.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    path: PathBuf,
}

impl Log {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the log for a server to write to, and says from where on its words are new.
    pub(crate) fn open(&self) -> Result<(File, u64), PrivateError> {
        let open = || -> io::Result<(File, u64)> {
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path)?;
            if file.metadata()?.len() > MAX_LOG_BYTES {
                file.set_len(0)?;
            }
            let end = file.metadata()?.len();
            Ok((file, end))
        };
        open().doing(|| format!("cannot open the log {}", self.path.display()))
    }

    /// The last lines that were written since `from`.
    pub(crate) fn tail(&self, from: u64) -> String {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let from = from.max(file.metadata()?.len().saturating_sub(MAX_TAIL_BYTES));
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let text = match read() {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => return format!("  (cannot be read: {error})"),
        };
        let lines: Vec<_> = text.lines().collect();
        let skip = lines.len().saturating_sub(TAIL_LINES);
        lines.into_iter().skip(skip).map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
    }
}
