//! Where the servers of one run keep their data, and what earlier runs may have left behind.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

const PREFIX: &str = "satchel-bench-";
/// In each directory; locked while its run lives.
const LOCK: &str = "lock";

/// A directory of this run, removed when this is dropped. A run that was interrupted leaves its own, gigabytes perhaps:
/// the next run removes it.
#[derive(Debug)]
pub(crate) struct Scratch {
    dir: TempDir,
    _lock: File,
}

impl Scratch {
    /// Makes one below `parent`, after removing those whose runs are gone.
    pub(crate) fn new(parent: &Path) -> Result<Self> {
        remove_leftovers(parent);
        // Postgres does not run as root and must get into it all the same.
        let passable = Permissions::from_mode(0o711);
        let dir = tempfile::Builder::new().prefix(PREFIX).permissions(passable).tempdir_in(parent);
        let dir = dir.with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        // It gets its name when it is locked: whoever sees it unlocked may remove everything.
        let unnamed = dir.path().join("unlocked");
        let lock = File::create(&unnamed)?;
        lock.try_lock().context("cannot lock a file of our own")?;
        fs::rename(&unnamed, dir.path().join(LOCK))?;
        Ok(Self { dir, _lock: lock })
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// What cannot be removed is somebody else's, and stays.
fn remove_leftovers(parent: &Path) {
    let ours = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(PREFIX));
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    for dir in entries.filter(|entry| ours(&entry.file_name())).map(|entry| entry.path()) {
        let is_left = File::open(dir.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_left && fs::remove_dir_all(&dir).is_ok() {
            eprintln!("bench: removed {}, left by a run that was interrupted", dir.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_interrupted_run_left_is_removed_and_what_is_used_stays() {
        let parent = tempfile::tempdir().unwrap();
        let used = Scratch::new(parent.path()).unwrap();
        let left = parent.path().join(format!("{PREFIX}left"));
        let other = parent.path().join(format!("{PREFIX}without-lock"));
        for dir in [&left, &other] {
            fs::create_dir(dir).unwrap();
        }
        File::create(left.join(LOCK)).unwrap();

        let next = Scratch::new(parent.path()).unwrap();
        assert!(!left.exists() && other.exists() && used.path().exists() && next.path().exists());
        let path = next.path().to_path_buf();
        drop(next);
        assert!(!path.exists());
    }
}
